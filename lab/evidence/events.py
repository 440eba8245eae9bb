"""What conntrack told of its entries: made, answered, removed (`conntrack -E -o timestamp,id`)."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal, cast

from lab.evidence import flow
from lab.evidence.errors import UnreadableError
from lab.evidence.fields import ID_MAX, whole
from lab.evidence.flow import Flow

Kind = Literal["NEW", "UPDATE", "DESTROY"]

# [TIME] [KIND] PROTOCOL NUMBER TIMEOUT? STATE? FIELDS, see nfct_snprintf of libnetfilter_conntrack.
_LINE = re.compile(
    r"\[(?P<time>\d{1,11}\.\d{1,6}) *\]\s+\[(?P<kind>NEW|UPDATE|DESTROY)\] (?P<protocol>[a-z][\w-]{0,15})\s+\d{1,3} "
    r"(?P<rest>.*)",
    re.ASCII,
)
_TUPLE = ("src", "sport", "dst", "dport")


@dataclass(frozen=True)
class ConntrackEvent:
    """One event.

    Attributes:
        time_s: When conntrack(8) got it, by CLOCK_REALTIME in seconds: later than it happened, and not always in order
            between processors.
        kind: `NEW` when an entry was confirmed (put into the table), `UPDATE`, `DESTROY`.
        protocol: `udp` or `tcp`.
        original: The flow of its first packet.
        reply: The flow of the answers that it waits for; not the original's reversed where NAT is at work.
        answered: Whether an answer had been seen by then (not `[UNREPLIED]`).
        ct_id: The entry's id; None without `-o id`.
    """

    time_s: float
    kind: Kind
    protocol: str
    original: Flow
    reply: Flow | None
    answered: bool
    ct_id: int | None


def parse(text: str) -> tuple[ConntrackEvent, ...]:
    """Read conntrack's events in order; those of protocols without ports are passed over.

    Raises:
        UnreadableError: a line is no event.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(event for line in lines if (event := _event(line)) is not None)


def _event(line: str) -> ConntrackEvent | None:
    found = _LINE.fullmatch(line)
    if found is None:
        raise UnreadableError(f"conntrack's event is not understood: {line[:120]!r}")
    if found["protocol"] not in {"udp", "tcp"}:
        return None
    words = found["rest"].split()
    try:
        original, reply, ct_id = _fields(words)
    except ValueError as error:
        raise UnreadableError(f"conntrack's event has no addresses where it should: {line[:120]!r}") from error
    kind = cast("Kind", found["kind"])
    answered = "[UNREPLIED]" not in words
    return ConntrackEvent(float(found["time"]), kind, found["protocol"], original, reply, answered, ct_id)


def _fields(words: list[str]) -> tuple[Flow, Flow | None, int | None]:
    """Give what the fields say: each of a flow's is there twice, first of the original direction, then of the reply's.

    Raises:
        ValueError: one is missing, or is there too often, or is no such thing.
    """
    told: defaultdict[str, list[str]] = defaultdict(list)
    for word in words:
        key, _, value = word.partition("=")
        told[key].append(value)
    flows = [flow.read(*each) for each in zip(*(told[key] for key in _TUPLE), strict=True)]
    if len(flows) not in {1, 2} or len(told["id"]) > 1:
        raise ValueError(words)
    ct_id = whole(told["id"][0], ID_MAX) if told["id"] else None
    return flows[0], flows[1] if flows[1:] else None, ct_id
