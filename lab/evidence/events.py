"""Conntrack events: entries inserted, updated, destroyed (`conntrack -E -o timestamp,id`)."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import cast

from lab.evidence import flow
from lab.evidence.constants import FLOW_FIELDS, EntryChange
from lab.evidence.errors import UnreadableError
from lab.evidence.fields import ID_MAX, parse_integer
from lab.evidence.flow import Flow

# [TIME] [KIND] PROTOCOL NUMBER TIMEOUT? STATE? FIELDS, see nfct_snprintf of libnetfilter_conntrack.
_LINE = re.compile(
    r"\[(?P<time>\d{1,11}\.\d{1,6}) *\]\s+\[(?P<kind>NEW|UPDATE|DESTROY)\] (?P<protocol>[a-z][\w-]{0,15})\s+\d{1,3} "
    r"(?P<rest>.*)",
    re.ASCII,
)


@dataclass(frozen=True)
class ConntrackEvent:
    """One conntrack event.

    Attributes:
        time_s: When conntrack(8) received it, CLOCK_REALTIME in seconds: later than it happened, and not always in
            order between processors.
        kind: `NEW` when an entry was confirmed (inserted into the table), `UPDATE`, `DESTROY`.
        protocol: `udp` or `tcp`.
        original: The flow of the original direction.
        reply: The flow of the reply direction; with NAT not the original's reversed.
        answered: Whether a reply had been seen by then (not `[UNREPLIED]`).
        ct_id: The entry's id; None without `-o id`.
    """

    time_s: float
    kind: EntryChange
    protocol: str
    original: Flow
    reply: Flow | None
    answered: bool
    ct_id: int | None


def parse(text: str) -> tuple[ConntrackEvent, ...]:
    """Parse conntrack events in order; protocols without ports are skipped.

    Raises:
        UnreadableError: a line is not an event.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(event for line in lines if (event := _event(line)) is not None)


def _event(line: str) -> ConntrackEvent | None:
    match = _LINE.fullmatch(line)
    if match is None:
        raise UnreadableError(f"cannot parse conntrack's event: {line[:120]!r}")
    if match["protocol"] not in {"udp", "tcp"}:
        return None
    words = match["rest"].split()
    try:
        original, reply, ct_id = _fields(words)
    except ValueError as error:
        raise UnreadableError(f"invalid addresses in conntrack's event: {line[:120]!r}") from error
    kind = cast("EntryChange", match["kind"])
    answered = "[UNREPLIED]" not in words
    return ConntrackEvent(float(match["time"]), kind, match["protocol"], original, reply, answered, ct_id)


def _fields(words: list[str]) -> tuple[Flow, Flow | None, int | None]:
    """Return the original flow, the reply flow and the id; the original direction's fields come first.

    Raises:
        ValueError: a field is missing, repeated too often, or invalid.
    """
    values: defaultdict[str, list[str]] = defaultdict(list)
    for word in words:
        key, _, value = word.partition("=")
        values[key].append(value)
    flows = [flow.parse(*each) for each in zip(*(values[key] for key in FLOW_FIELDS), strict=True)]
    if len(flows) not in {1, 2} or len(values["id"]) > 1:
        raise ValueError(words)
    ct_id = parse_integer(values["id"][0], ID_MAX) if values["id"] else None
    return flows[0], flows[1] if flows[1:] else None, ct_id
