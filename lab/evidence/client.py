"""The client's own timing and exit status of its lookup."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lab.evidence.errors import UnreadableError


@dataclass(frozen=True)
class Timing:
    """One lookup as timed by its client.

    Attributes:
        lookup_s: Time until the name was resolved, in seconds; for some clients the run time of the whole program.
        total_s: The client's total run time, in seconds; at least `lookup_s`.
        exit_status: The client's exit status: 0 success; curl's 6 could not resolve, 28 timed out; timeout(1)'s 124
            timed out.
    """

    lookup_s: float
    total_s: float
    exit_status: int


def parse(timings: str, exit_status: str | None) -> Timing:
    """Parse a trial's `client.json` and `client.status`, or `curl.json` of older recordings.

    Args:
        timings: One JSON object with `lookup_s`, or curl's `time_namelookup` (curl(1), --write-out), both in seconds.
        exit_status: The client's exit status in decimal; None when the timings hold it as `exitcode`.

    Raises:
        UnreadableError: either has another form.
    """
    try:
        fields = json.loads(timings)
        status = fields["exitcode"] if exit_status is None else exit_status
        lookup_s = fields["lookup_s"] if "lookup_s" in fields else fields["time_namelookup"]
        total_s = fields.get("total_s", fields.get("time_total", lookup_s))
        return Timing(lookup_s=_seconds(lookup_s), total_s=_seconds(total_s), exit_status=int(status))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableError(f"cannot parse the client's timings: {timings.strip()[:80]!r}") from error


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    seconds = float(value)
    if not 0 <= seconds < 1e6:  # noqa: PLR2004  also refuses nan and infinity, which json takes
        raise ValueError(value)
    return seconds
