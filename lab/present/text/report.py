"""Formats the paths and answers of a report for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType

from lab.commands.report import ReportData
from lab.diagnosis.conclusion import Answer
from lab.foundation.language import N_
from lab.present import sentences
from lab.present.text.spoken import line
from lab.present.text.tables import verbatim


def report(data: ReportData) -> RenderableType:
    """Return the answer for each machine, the parts that the report lacks, and its paths."""
    answers = [line(sentences.answer(name, data.comparison), "bold") for name in data.comparison.machines]
    own = sum(stall.answer is Answer.THIS_BUG for stall in data.stalls)
    stalls = (
        [line(N_(f"stalls that lab watch has stored: {len(data.stalls)}; by this bug: {own}"))] if data.stalls else []
    )
    lacks = [line(f"without {lack.what}: {lack.command}", "dim") for lack in data.lacks]
    files = [path for path in (data.html, data.pdf) if path]
    return Group(*answers, *stalls, *lacks, *(verbatim(str(path)) for path in files))
