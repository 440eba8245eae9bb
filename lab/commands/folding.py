"""Time to scale, with what is quiet folded away: five seconds of waiting are a break, not a metre of paper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

QUIET_S = 0.05
"""When nothing is seen for longer than this, the time is folded: what the kernel does with a query takes less."""


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


def folds(moments_s: Iterable[float], quiet_s: float = QUIET_S) -> tuple[Fold, ...]:
    """Give the quiet times between moments, in order.

    Args:
        moments_s: When something was seen, in seconds, in any order.
        quiet_s: How long nothing must be seen.
    """
    ordered = sorted(moments_s)
    return tuple(Fold(before, after) for before, after in pairwise(ordered) if after - before > quiet_s)
