"""Conntrack entries and events as printed by conntrack(8) with any options, and by /proc/net/nf_conntrack."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from lab.evidence import flow
from lab.evidence.constants import FLOW_FIELDS, EntryChange
from lab.evidence.flow import Flow

_LINE_MAX = 2000
# [TIME] [KIND] (L3 NUMBER) PROTOCOL NUMBER TIMEOUT? STATE? FIELDS, see nfct_snprintf of libnetfilter_conntrack.
_LINE = re.compile(
    r"\s*(?:\[(?P<time>\d{1,11}\.\d{1,6}) *\]\s*)?(?:\[(?P<kind>NEW|UPDATE|DESTROY)\]\s+)?(?:ipv[46]\s+\d{1,2}\s+)?"
    r"(?P<protocol>udp|tcp|udplite|sctp|dccp|icmp|icmpv6|gre|unknown)\s+\d{1,3}\s+(?:\d{1,10}\s+)?(?:[A-Z_0-9]{2,16}\s+)?"
    r"(?P<rest>src=\S.*)"
)


@dataclass(frozen=True)
class Entry:
    """A conntrack entry, or an event about one.

    Attributes:
        kind: `NEW` when the entry was confirmed (inserted into the table), and so on; None in a list of entries.
        time_s: When conntrack(8) received the event, CLOCK_REALTIME in seconds; None without `-o timestamp`.
        protocol: `udp` or `tcp`.
        original: The flow of the original direction.
        reply: The flow of the reply direction; with NAT not the original's reversed.
        answered: Whether a reply had been seen by then (not `[UNREPLIED]`).
        packets: Packet counts of both directions; None without accounting (net.netfilter.nf_conntrack_acct).
        line: Line number, from 1.
    """

    kind: EntryChange | None
    time_s: float | None
    protocol: str
    original: Flow
    reply: Flow | None
    answered: bool
    packets: tuple[int, int] | None
    line: int = field(default=0, compare=False)


def is_line(line: str) -> bool:
    """Return whether a line is a conntrack entry or event."""
    return _LINE.fullmatch(line[:_LINE_MAX]) is not None


def parse(lines: Iterable[tuple[int, str]]) -> tuple[Entry, ...]:
    """Parse entries and events from numbered lines; protocols without ports are skipped."""
    matches = ((number, _LINE.fullmatch(line[:_LINE_MAX])) for number, line in lines)
    entries = (_entry(match, number) for number, match in matches if match and match["protocol"] in {"udp", "tcp"})
    return tuple(entry for entry in entries if entry is not None)


def _entry(match: re.Match[str], line: int) -> Entry | None:
    words = match["rest"].split()
    fields: defaultdict[str, list[str]] = defaultdict(list)
    for word in words:
        key, _, value = word.partition("=")
        fields[key].append(value)
    try:
        flows = [flow.parse(*each) for each in zip(*(fields[key] for key in FLOW_FIELDS), strict=True)]
        packets = [int(count) for count in fields["packets"][:2]]
    except ValueError:
        return None
    if len(flows) not in {1, 2}:
        return None
    return Entry(
        kind=cast("EntryChange | None", match["kind"]),
        time_s=None if match["time"] is None else float(match["time"]),
        protocol=match["protocol"],
        original=flows[0],
        reply=flows[1] if flows[1:] else None,
        answered="[UNREPLIED]" not in words,
        packets=(packets[0], packets[1]) if len(packets) == 2 else None,  # noqa: PLR2004  both ways
        line=line,
    )
