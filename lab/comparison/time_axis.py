"""A time axis to scale in which long idle intervals are folded, such as the five seconds of a timeout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

QUIET_S = (0.05, 0.02)
"""Thresholds of idle intervals to fold, in seconds. The kernel handles a query faster; on a busy machine programs read
late, and with the second threshold shorter intervals are folded, too."""

OPEN_S = 0.08
"""Maximum total time to leave unfolded, in seconds."""


@dataclass(frozen=True)
class Fold:
    """A folded idle interval.

    Attributes:
        from_s: The last event before it, in seconds.
        until_s: The first event after it, in seconds.
    """

    from_s: float
    until_s: float

    @property
    def lasts_s(self) -> float:
        """Its duration, in seconds."""
        return self.until_s - self.from_s


def folds(moments_s: Iterable[float]) -> tuple[Fold, ...]:
    """Return the idle intervals to fold, in order: with the first threshold that leaves at most OPEN_S unfolded.

    Args:
        moments_s: The times of events, in seconds, in any order.
    """
    ordered = sorted(moments_s)
    folded: tuple[Fold, ...] = ()
    for quiet_s in QUIET_S:
        folded = tuple(Fold(before, after) for before, after in pairwise(ordered) if after - before > quiet_s)
        if ordered and ordered[-1] - ordered[0] - sum(fold.lasts_s for fold in folded) <= OPEN_S:
            break
    return folded
