"""Conntrack's own events: entries that were confirmed, answered, removed (conntrack -E -o timestamp,id)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from lab.evidence.errors import UnreadableError
from lab.evidence.flow import Flow

_LINE = re.compile(
    r"^\[(?P<time>\d{1,12}\.\d{1,6}) *\]\s+\[(?P<kind>NEW|UPDATE|DESTROY)\] "
    r"(?P<protocol>\w{1,16})\s+\d{1,3} (?P<rest>.*)$",
    re.ASCII,
)
_TUPLE = re.compile(
    r"src=(?P<src>[0-9.]{7,15}) dst=(?P<dst>[0-9.]{7,15}) sport=(?P<sport>\d{1,5}) dport=(?P<dport>\d{1,5})", re.ASCII
)
_ID = re.compile(r"\bid=(\d{1,10})\b", re.ASCII)


class Kind(StrEnum):
    """What became of an entry."""

    NEW = "NEW"
    """It was confirmed: put into the table."""
    UPDATE = "UPDATE"
    DESTROY = "DESTROY"


@dataclass(frozen=True)
class ConntrackEvent:
    """Something that became of an entry of conntrack's table.

    Attributes:
        time_s: When it was told, by CLOCK_REALTIME, in seconds.
        kind: What.
        protocol: The entry's protocol, such as "udp".
        original: The flow of its first packet.
        reply: The flow that answers to it are expected to have: with NAT it is not the reverse.
        ct_id: What the kernel tells it from others by; None where it does not say.
    """

    time_s: float
    kind: Kind
    protocol: str
    original: Flow
    reply: Flow
    ct_id: int | None


def parse(text: str) -> tuple[ConntrackEvent, ...]:
    """Read the events of IPv4 flows with ports; those of other protocols are passed over.

    Raises:
        UnreadableError: a line is no event.
    """
    events = []
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            raise UnreadableError(f"conntrack's event is not understood: {line[:120]!r}")
        tuples = [_flow(part, line) for part in _TUPLE.finditer(found["rest"])]
        if len(tuples) != 2:  # noqa: PLR2004  the original direction and the reply's
            continue
        ct_id = _ID.search(found["rest"])
        kind, protocol = Kind(found["kind"]), found["protocol"]
        number = int(ct_id[1]) if ct_id else None
        events.append(ConntrackEvent(float(found["time"]), kind, protocol, tuples[0], tuples[1], number))
    return tuple(events)


def _flow(found: re.Match[str], line: str) -> Flow:
    sport, dport = int(found["sport"]), int(found["dport"])
    if max(sport, dport) > 0xFFFF:  # noqa: PLR2004  ports have 16 bits
        raise UnreadableError(f"conntrack's event has a port over 65535: {line[:120]!r}")
    return Flow(found["src"], sport, found["dst"], dport)
