"""What the client says of its own lookup."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lab.evidence.errors import UnreadableError


@dataclass(frozen=True)
class Timing:
    """One lookup, as its client timed it.

    Attributes:
        lookup_s: From the start until the name was resolved, in seconds; of some clients the whole program is timed.
        total_s: All that the client did, in seconds, where that is more.
        exit_status: The client's own: 0 well; curl's 6 could not resolve, 28 gave up waiting; timeout's 124 likewise.
    """

    lookup_s: float
    total_s: float
    exit_status: int


def parse(timings: str, exit_status: str | None) -> Timing:
    """Read a trial's `client.json` and `client.status`, or the `curl.json` that there was before other clients.

    Args:
        timings: One JSON object with `lookup_s`, or curl's `time_namelookup` (curl(1), --write-out), both in seconds.
        exit_status: The client's exit status in decimal; None when the timings hold it as `exitcode`.

    Raises:
        UnreadableError: either is not what a client writes.
    """
    try:
        said = json.loads(timings)
        status = said["exitcode"] if exit_status is None else exit_status
        lookup_s = said["lookup_s"] if "lookup_s" in said else said["time_namelookup"]
        total_s = said.get("total_s", said.get("time_total", lookup_s))
        return Timing(lookup_s=_seconds(lookup_s), total_s=_seconds(total_s), exit_status=int(status))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableError(f"the client's timings are not understood: {timings.strip()[:80]!r}") from error


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    seconds = float(value)
    if not 0 <= seconds < 1e6:  # noqa: PLR2004  also refuses nan and infinity, which json takes
        raise ValueError(value)
    return seconds
