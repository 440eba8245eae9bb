"""Statistics of counts, and of times with several peaks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate

NORMAL_95 = 1.959963984540054
"""The normal distribution's quantile at 0.975, for two-sided 95 % intervals."""

TIE = 1e-7
"""Relative tolerance for equal probabilities of two tables, as in R's fisher.test."""

LIKELY = 0.05
"""Differences with a larger p may be chance, and are not shown in a comparison."""

PEAK_BELOW = 0.05
"""Tolerance below a multiple of the client's timeout, as a share of it: a lookup does not end much earlier."""


def share_interval(count: int, of: int) -> tuple[float, float] | None:
    """Return the 95 % Wilson interval of a share; None if the total is 0.

    Args:
        count: The number of successes.
        of: The total.
    """
    if of == 0:
        return None
    share, z2 = count / of, NORMAL_95 * NORMAL_95
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    # At the ends the two terms are equal except for rounding.
    return 0.0 if count == 0 else centre - half, 1.0 if count == of else centre + half


def difference(count: int, of: int, other_count: int, other_of: int) -> float:
    """Return the p-value of Fisher's exact test: the probability of counts at least this different by chance."""
    both = count + other_count
    lowest, highest = max(0, both - other_of), min(of, both)
    # The logarithm of each possible table's probability, up to a constant (hypergeometric distribution).
    ratios = (
        math.log((of - k) * (both - k)) - math.log((k + 1) * (other_of - both + k + 1)) for k in range(lowest, highest)
    )
    logarithms = list(accumulate(ratios, initial=0.0))
    as_likely, likeliest = logarithms[count - lowest] + TIE, max(logarithms)
    weights = [math.exp(each - likeliest) for each in logarithms]
    unlike = (weight for weight, each in zip(weights, logarithms, strict=True) if each <= as_likely)
    return math.fsum(unlike) / math.fsum(weights)


def peaks(times_s: Iterable[float], retry_s: float) -> dict[float, int]:
    """Count lookups by the timeouts that they waited for.

    Args:
        times_s: Duration of each lookup, in seconds.
        retry_s: The client's retransmit timeout, in seconds.

    Returns:
        The number of lookups by the sum of their timeouts, in seconds: 0 or a multiple of `retry_s`. A slow host or
        tracing adds to a lookup's duration and does not change this sum.
    """
    counts = Counter(int((time_s + PEAK_BELOW * retry_s) // retry_s) * retry_s for time_s in times_s)
    return dict(sorted(counts.items()))
