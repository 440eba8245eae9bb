"""Formats the paths and answers of a report for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType

from lab.commands.report import ReportData
from lab.present import sentences
from lab.present.text.spoken import line
from lab.present.text.tables import verbatim


def report(data: ReportData) -> RenderableType:
    """Return the answer for each machine, the parts that the report lacks, and its paths."""
    answers = [line(sentences.answer(name, data.comparison), "bold") for name in data.comparison.machines]
    lacks = [line(f"without {lack.what}: {lack.command}", "dim") for lack in data.lacks]
    files = [path for path in (data.html, data.pdf) if path]
    return Group(*answers, *lacks, *(verbatim(str(path)) for path in files))
