"""What can be said of counts and times that have two peaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

CONFIDENCE = 0.95

PEAK_BELOW, PEAK_ABOVE = 0.05, 0.2
"""How far from a multiple of the client's waiting time a lookup still belongs to it, as shares of that time: it never
ends much earlier, and what it does besides waiting comes on top."""


def share_interval(count: int, of: int) -> tuple[float, float] | None:
    """Give the 95 % Wilson interval of a share; None of nothing.

    Args:
        count: How many had it.
        of: ... among how many.
    """
    if of == 0:
        return None
    from scipy.stats import binomtest  # noqa: PLC0415  it takes half a second to load, and most commands need none of it

    interval = binomtest(count, of).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def difference(count: int, of: int, other_count: int, other_of: int) -> float:
    """Give the probability of counts at least as unlike as these if both shares were the same: Fisher's exact test."""
    from scipy.stats import fisher_exact  # noqa: PLC0415  likewise

    return float(fisher_exact([[count, of - count], [other_count, other_of - other_count]]).pvalue)


def peaks(times_s: Iterable[float], retry_s: float) -> dict[float | None, int]:
    """Count lookups by the peak they belong to.

    Args:
        times_s: How long each took, in seconds.
        retry_s: After how many seconds the client asks again.

    Returns:
        How many took about how many seconds: 0, or a multiple of `retry_s`; None for those in between.
    """
    found = Counter(_peak(time_s, retry_s) for time_s in times_s)
    return dict(sorted(found.items(), key=lambda item: (item[0] is None, item[0])))


def _peak(time_s: float, retry_s: float) -> float | None:
    waits = int((time_s + PEAK_BELOW * retry_s) // retry_s)
    return waits * retry_s if time_s <= (waits + PEAK_ABOVE) * retry_s else None
