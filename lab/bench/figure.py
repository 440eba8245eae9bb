"""A figure: the median of several measurements, with how far apart they were."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What was measured, or comes of what was.

    Attributes:
        value: The median of the measurements, or a ratio or difference of medians.
        of: How many measurements there were of each thing that went into it.
        least: The least of them; None for what was not measured as such.
        most: The most, likewise.
    """

    value: float
    of: int
    least: float | None = None
    most: float | None = None

    def __truediv__(self, other: Figure) -> Figure:
        """Give the ratio of two medians."""
        return Figure(self.value / other.value, min(self.of, other.of))

    def __sub__(self, other: Figure) -> Figure:
        """Give the difference of two medians."""
        return Figure(self.value - other.value, min(self.of, other.of))

    def __mul__(self, factor: float) -> Figure:
        """Give it in another unit, or so many times."""
        by = [None if one is None else one * factor for one in (self.least, self.most)]
        return Figure(self.value * factor, self.of, *by)

    def __add__(self, other: Figure) -> Figure:
        """Give the sum of two medians."""
        return Figure(self.value + other.value, min(self.of, other.of))


Figures = Mapping[str, Figure]
"""By name; what ends in `_s` is in seconds, `_us` in millionths, `_mb` in millions of bytes; else ratios and counts."""


def median(measured: Iterable[float]) -> Figure:
    """Give the figure of some measurements."""
    values: Sequence[float] = list(measured)
    return Figure(statistics.median(values), len(values), min(values), max(values))
