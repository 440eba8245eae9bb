"""What curl says of its own transfer."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lab.evidence.errors import UnreadableError


@dataclass(frozen=True)
class Transfer:
    """One transfer, by curl's `--write-out` variables (curl(1)).

    Attributes:
        lookup_s: `time_namelookup`: from the start until the name was resolved, in seconds.
        total_s: `time_total`: the whole transfer, in seconds.
        http_code: The server's answer; 0 for none.
        exit_status: curl's own: 0 well, 6 could not resolve, 28 gave up waiting.
    """

    lookup_s: float
    total_s: float
    http_code: int
    exit_status: int


def parse(timings: str, exit_status: str | None) -> Transfer:
    """Read a trial's `curl.json` and `curl.status`.

    Args:
        timings: The line of `--write-out`.
        exit_status: curl's exit status in decimal; None when the timings hold it as `exitcode`.

    Raises:
        UnreadableError: either is not what curl writes.
    """
    try:
        said = json.loads(timings)
        status = said["exitcode"] if exit_status is None else exit_status
        transfer = Transfer(
            lookup_s=_seconds(said["time_namelookup"]),
            total_s=_seconds(said["time_total"]),
            http_code=int(said["http_code"]),
            exit_status=int(status),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise UnreadableError(f"curl's timings are not understood: {timings.strip()[:80]!r}") from error
    return transfer


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    seconds = float(value)
    if not 0 <= seconds < 1e6:  # noqa: PLR2004  also refuses nan and infinity, which json takes
        raise ValueError(value)
    return seconds
