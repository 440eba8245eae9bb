"""What time it was by each clock that evidence is stamped with."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from lab.evidence.errors import UnreadableError


@dataclass(frozen=True)
class Mark:
    """One moment by several clocks, as provision/trace/clocks.c read them; all in seconds.

    Attributes:
        realtime_s: CLOCK_REALTIME.
        monotonic_s: CLOCK_MONOTONIC.
        within_s: How long reading both took: they belong together to within that.
        traced_s: When a line was left in the kernel's trace (CLOCK_MONOTONIC); None when none was.
        traced_within_s: How long that took.
    """

    realtime_s: float
    monotonic_s: float
    within_s: float
    traced_s: float | None
    traced_within_s: float


def parse(text: str) -> Mark:
    """Read what `clocks` printed.

    Raises:
        UnreadableError: it is not that.
    """
    try:
        said = json.loads(text)
        realtime_s, monotonic_s, within_s = said["realtime_s"], said["monotonic_s"], said["within_s"]
        traced = said.get("traced_s")
        traced_within_s = said.get("traced_within_s", 0.0)
        plausible = all(_is_time(time) for time in (realtime_s, monotonic_s, within_s, traced or 0.0, traced_within_s))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableError(f"the clocks are not understood: {text.strip()[:80]!r}") from error
    if not plausible:
        raise UnreadableError(f"the clocks cannot be right: {text.strip()[:80]!r}")
    return Mark(realtime_s, monotonic_s, within_s, traced, traced_within_s)


def _is_time(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value) and value >= 0
