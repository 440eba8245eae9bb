"""By how much one file's clock is ahead of another's, told by the questions that both have."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from lab.diagnosis.questions import Question

APART_S = 1.0
"""Clocks that are kept by NTP are closer than this."""

_SAME_S = 0.25
"""What is told of one packet by a trace and a capture is told within so long; strace stamps before it, or after it."""

_QUESTIONS_MAX = 50
"""So many tell it as well as all."""


def ahead_s(pairs: Sequence[tuple[Question, Question]], *, same_clock: bool) -> float | None:
    """Give by how much the second file's clock is ahead of the first's, in seconds; None when they share no question.

    Of all differences between a sending, or an answer, in the one file and in the other, it is the one by which most
    sendings and answers of the first have a counterpart in the second: one that was lost has none, and one that was
    asked again has another at the wrong difference.

    Args:
        pairs: Questions of the first file, each with the same one of the second.
        same_clock: Whether both are told by CLOCK_REALTIME, which two machines, too, have alike within APART_S, mostly.
    """
    few = tuple(islice(pairs, _QUESTIONS_MAX))
    differences = sorted({found for one, other in few for found in _differences(one, other)})
    near = [found for found in differences if abs(found) < APART_S]
    return max(near if same_clock and near else differences, key=lambda found: _matches(few, found), default=None)


def _differences(one: Question, other: Question) -> list[float]:
    asks = [late.time_s - early.time_s for early in one.asked for late in other.asked]
    return asks + [late.time_s - early.time_s for early in one.answered for late in other.answered]


def _matches(pairs: Sequence[tuple[Question, Question]], difference_s: float) -> int:
    """Count sendings and answers that have a counterpart so much later."""
    return sum(
        any(abs(late.time_s - early.time_s - difference_s) <= _SAME_S for late in lates)
        for one, other in pairs
        for earlies, lates in ((one.asked, other.asked), (one.answered, other.answered))
        for early in earlies
    )
