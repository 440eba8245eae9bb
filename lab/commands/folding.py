"""Time to scale, with what is quiet folded away: five seconds of waiting are a break, not a metre of paper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

QUIET_S = (0.05, 0.02)
"""When nothing is seen for longer than this, the time is folded. What the kernel does with a query takes less; on a
machine that is busy, programs take long to read what is there for them, and shorter times are folded."""

OPEN_S = 0.08
"""So much is to be left open at most."""


@dataclass(frozen=True)
class Fold:
    """A quiet time.

    Attributes:
        from_s: The last moment before it, in seconds.
        until_s: The first moment after it.
    """

    from_s: float
    until_s: float

    @property
    def lasts_s(self) -> float:
        """How long it is, in seconds."""
        return self.until_s - self.from_s


def folds(moments_s: Iterable[float]) -> tuple[Fold, ...]:
    """Give the quiet times between moments, in order: the longest alone, if that leaves little enough open.

    Args:
        moments_s: When something was seen, in seconds, in any order.
    """
    ordered = sorted(moments_s)
    found: tuple[Fold, ...] = ()
    for quiet_s in QUIET_S:
        found = tuple(Fold(before, after) for before, after in pairwise(ordered) if after - before > quiet_s)
        if ordered and ordered[-1] - ordered[0] - sum(fold.lasts_s for fold in found) <= OPEN_S:
            break
    return found
