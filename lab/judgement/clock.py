"""Converts the clocks of the sources of evidence to CLOCK_REALTIME."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lab.evidence.clocks import Clocks
from lab.evidence.trace import MARK, Trace, TraceEvent


@dataclass(frozen=True)
class Clock:
    """Conversion of a source's clock to CLOCK_REALTIME.

    Attributes:
        ahead_s: The offset to add, in seconds; None when it is unknown.
        within_s: Maximum error, in seconds.
    """

    ahead_s: float | None
    within_s: float = 0.0

    def realtime_s(self, time_s: float | None) -> float | None:
        """Convert a time of this clock to CLOCK_REALTIME; None when either is unknown."""
        return None if time_s is None or self.ahead_s is None else time_s + self.ahead_s


def monotonic_clock(marks: list[Clocks]) -> Clock:
    """Return the conversion of CLOCK_MONOTONIC; the trial's two marks differ if the clock was adjusted in between."""
    if not marks:
        return Clock(None)
    ahead_s = [mark.realtime_s - mark.monotonic_s for mark in marks]
    middle_s = (max(ahead_s) + min(ahead_s)) / 2
    return Clock(middle_s, max(mark.within_s for mark in marks) + max(ahead_s) - middle_s)


def trace_clock(trace: Trace, marks: list[Clocks], base: Clock, cpu: int | None) -> Clock:
    """Return the conversion of the trace's clock, or of one processor's, from the marks that are also in the trace."""
    lines = marks_in(trace)
    traced = [mark for mark in marks if mark.traced_s is not None]
    if base.ahead_s is None or len(lines) != len(traced):
        return Clock(None)
    ahead_s = [
        (mark.traced_s or math.nan) - line.time_s
        for mark, line in zip(traced, lines, strict=True)
        if cpu is None or line.cpu == cpu
    ]
    if not ahead_s:
        return Clock(None)
    middle_s = (max(ahead_s) + min(ahead_s)) / 2
    within_s = max(mark.traced_within_s or 0.0 for mark in traced) + max(ahead_s) - middle_s
    return Clock(base.ahead_s + middle_s, base.within_s + within_s)


def marks_in(trace: Trace) -> list[TraceEvent]:
    """Return the mark events of a trace."""
    return [event for event in trace.events if event.name == MARK]
