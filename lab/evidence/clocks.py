"""What time it was by each clock that evidence is stamped with."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lab.evidence.errors import UnreadableError
from lab.evidence.fields import seconds


@dataclass(frozen=True)
class Clocks:
    """One moment by several clocks, all in seconds.

    Attributes:
        realtime_s: CLOCK_REALTIME, which stamps strace, captures and conntrack's events.
        monotonic_s: CLOCK_MONOTONIC, which stamps the hook, the verdict program, and newer kernels' traces.
        within_s: How long reading both took: they belong together to within that.
        traced_s: CLOCK_MONOTONIC just before a mark was left in the kernel's trace; None when none was.
        traced_within_s: How long leaving it took; None likewise.
    """

    realtime_s: float
    monotonic_s: float
    within_s: float
    traced_s: float | None
    traced_within_s: float | None


def parse(text: str) -> Clocks:
    """Read a trial's `clocks.before` or `clocks.after`: one JSON object, see `clocks --help`.

    Raises:
        UnreadableError: it has another form, or one half of a mark without the other.
    """
    try:
        said = json.loads(text)
        marked = "traced_s" in said or "traced_within_s" in said
        return Clocks(
            realtime_s=seconds(said["realtime_s"]),
            monotonic_s=seconds(said["monotonic_s"]),
            within_s=seconds(said["within_s"]),
            traced_s=seconds(said["traced_s"]) if marked else None,
            traced_within_s=seconds(said["traced_within_s"]) if marked else None,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableError(f"the clocks are not understood: {text.strip()[:80]!r}") from error
