"""Clock difference between two files, computed from the questions that both contain."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from lab.diagnosis.questions import Question
from lab.evidence.strace import TimestampKind

APART_S = 1.0
"""Clocks kept by NTP differ by less than this."""

ZONE_S = 900.0
"""Time zones differ by whole quarters of an hour."""

_EARLIER = 1.5
"""Penalty for an attempt in the second file that the first should contain: between one match and two."""

_SAME_S = 0.25
"""A trace and a capture timestamp one packet within this time; strace stamps before or after the packet."""

_QUESTIONS_MAX = 50
"""Most questions used; more do not change the result."""


def step_s(one: TimestampKind, other: TimestampKind) -> float | None:
    """Return the step in seconds of possible clock differences: 0 for one clock, None when any is possible."""
    if {one, other} == {TimestampKind.REALTIME}:
        return 0.0
    return ZONE_S if {one, other} <= {TimestampKind.REALTIME, TimestampKind.DAY} else None


def ahead_s(pairs: Sequence[tuple[Question, Question]], step_s: float | None) -> float | None:
    """Return by how many seconds the second file's clock is ahead of the first's; None when they share no question.

    Of all differences between an attempt or answer in the one file and in the other, it is the one for which most
    attempts and answers of the first have a counterpart in the second. A lost packet has no counterpart, and a retried
    one has a second counterpart at a wrong difference.

    Args:
        pairs: Questions of the first file, each with its counterpart in the second.
        step_s: The step of possible differences; the clocks of two machines mostly agree within APART_S.
    """
    few = tuple(islice(pairs, _QUESTIONS_MAX))
    differences = sorted({difference for one, other in few for difference in _differences(one, other)})
    near = [difference for difference in differences if step_s is not None and _is_near(difference, step_s)]
    return max(near or differences, key=lambda difference: _matches(few, difference), default=None)


def _is_near(difference_s: float, step_s: float) -> bool:
    rest_s = difference_s - round(difference_s / step_s) * step_s if step_s else difference_s
    return abs(rest_s) < APART_S


def _differences(one: Question, other: Question) -> list[float]:
    asks = [late.time_s - early.time_s for early in one.asked for late in other.asked]
    return asks + [late.time_s - early.time_s for early in one.answered for late in other.answered]


def _matches(pairs: Sequence[tuple[Question, Question]], difference_s: float) -> float:
    """Count attempts and answers with a counterpart at this difference, minus those too early for the first file."""
    matches = sum(
        any(abs(late.time_s - early.time_s - difference_s) <= _SAME_S for late in lates)
        for one, other in pairs
        for earlies, lates in ((one.asked, other.asked), (one.answered, other.answered))
        for early in earlies
    )
    earlier = sum(
        late.time_s - one.asked[0].time_s - difference_s < -_SAME_S for one, other in pairs for late in other.asked
    )
    return matches - _EARLIER * earlier
