"""Simultaneous readings of the clocks that timestamp evidence."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lab.evidence.errors import UnreadableError
from lab.evidence.fields import parse_seconds


@dataclass(frozen=True)
class Clocks:
    """One moment read from several clocks, all in seconds.

    Attributes:
        realtime_s: CLOCK_REALTIME, the clock of strace, captures and conntrack's events.
        monotonic_s: CLOCK_MONOTONIC, the clock of the hook, the verdict program, and newer kernels' traces.
        within_s: How long reading both took: the maximum error between them.
        traced_s: CLOCK_MONOTONIC just before a mark was written to the kernel's trace; None without a mark.
        traced_within_s: How long writing the mark took; None without a mark.
    """

    realtime_s: float
    monotonic_s: float
    within_s: float
    traced_s: float | None
    traced_within_s: float | None


def parse(text: str) -> Clocks:
    """Parse a trial's `clocks.before` or `clocks.after`: one JSON object, see `clocks --help`.

    Raises:
        UnreadableError: it has another form, or only one of the mark's two values.
    """
    try:
        fields = json.loads(text)
        marked = "traced_s" in fields or "traced_within_s" in fields
        return Clocks(
            realtime_s=parse_seconds(fields["realtime_s"]),
            monotonic_s=parse_seconds(fields["monotonic_s"]),
            within_s=parse_seconds(fields["within_s"]),
            traced_s=parse_seconds(fields["traced_s"]) if marked else None,
            traced_within_s=parse_seconds(fields["traced_within_s"]) if marked else None,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableError(f"cannot parse the clocks: {text.strip()[:80]!r}") from error
