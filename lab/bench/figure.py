"""Median of several measurements, with their range, and figures that were measured together."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured or derived value.

    Attributes:
        value: Median of the measurements, or a ratio or difference of medians.
        of: Number of measurements of each input.
        least: Smallest measurement; None for derived values.
        most: Largest measurement; None for derived values.
    """

    value: float
    of: int
    least: float | None = None
    most: float | None = None

    def __truediv__(self, other: Figure) -> Figure:
        """Return the ratio of two medians."""
        return Figure(self.value / other.value, min(self.of, other.of))

    def __sub__(self, other: Figure) -> Figure:
        """Return the difference of two medians."""
        return Figure(self.value - other.value, min(self.of, other.of))

    def __mul__(self, factor: float) -> Figure:
        """Return the figure multiplied by a factor, such as one between units."""
        by = [None if one is None else one * factor for one in (self.least, self.most)]
        return Figure(self.value * factor, self.of, *by)

    def __add__(self, other: Figure) -> Figure:
        """Return the sum of two medians."""
        return Figure(self.value + other.value, min(self.of, other.of))


Figures = Mapping[str, Figure]
"""Figures by name; `_s` means seconds, `_us` microseconds, `_mb` millions of bytes; others are ratios or counts."""


def median(measured: Iterable[float]) -> Figure:
    """Return the figure of some measurements."""
    values: Sequence[float] = list(measured)
    return Figure(statistics.median(values), len(values), min(values), max(values))


@dataclass(frozen=True)
class FigureGroup:
    """Figures measured together.

    Attributes:
        measured: Start time in UTC, ISO 8601.
        version: The lab's version.
        machine: Description of the host and guest.
        load: Load average of the minute before: values near or above the number of cores increase the figures.
        figures: Figures by name.
    """

    measured: str
    version: str
    machine: Mapping[str, object]
    load: float
    figures: Mapping[str, Figure]
