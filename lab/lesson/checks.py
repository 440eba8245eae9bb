"""Checks whether a step shows what it must, in the output and in the evidence of its trials."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.evidence.trial import Evidence
from lab.judgement.outcome import Verdict
from lab.lesson import fields
from lab.lesson.step import Must


@dataclass(frozen=True)
class Observed:
    """The output of a command, and its trials.

    Attributes:
        lines: The command's output.
        exit_status: The command's exit status.
        verdicts: The verdicts of the step's trials; for a command that makes trials, of those.
        newest: The evidence and verdict of the newest traced trial; None when there is none.
    """

    lines: Sequence[str]
    exit_status: int
    verdicts: Sequence[Verdict] = ()
    newest: tuple[Evidence, Verdict] | None = None


def holds(must: Must, seen: Observed, values: Mapping[str, str]) -> bool:
    """Return whether something that a command must show is there.

    Args:
        must: What it must show.
        seen: The command's output and trials.
        values: The values of fields.
    """
    if must.matches is not None:
        pattern = re.compile(escaped(must.matches, values))
        matches = sum(1 for line in seen.lines for _ in pattern.finditer(line))
        return matches == must.times if must.exactly else matches >= must.times
    if must.ends_well is not None:
        return seen.exit_status == 0
    if must.outcome is not None:
        return bool(seen.verdicts) and all(verdict.outcome is must.outcome for verdict in seen.verdicts)
    return seen.newest is not None and _holds_of(must, *seen.newest)


def _holds_of(must: Must, evidence: Evidence, verdict: Verdict) -> bool:
    lost = [line.lost_at for line in verdict.lifelines if line.lost_at]
    if must.lost_at is not None:
        return lost == [must.lost_at]
    if must.none_lost is not None:
        return bool(verdict.lifelines) and not lost
    if must.armed is not None:
        return verdict.armed is True
    rose = evidence.counted.value or {}
    return all(rose.get(name) == by for name, by in (must.rose or {}).items())


def escaped(pattern: str, values: Mapping[str, str]) -> str:
    """Fill in the fields of a regular expression, escaped."""
    return fields.filled(pattern, {name: re.escape(value) for name, value in values.items()})
