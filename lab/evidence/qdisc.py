"""Parser of `tc -s qdisc`: packets sent and dropped by queueing disciplines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_NAME = re.compile(r"\s*qdisc (?P<kind>[a-z_0-9]{2,16}) [0-9a-f]{1,4}: (?:dev (?P<device>\S{1,15}) )?.*")
_SENT = re.compile(
    r"\s*Sent (?P<bytes>\d{1,20}) bytes (?P<packets>\d{1,20}) pkts? \(dropped (?P<dropped>\d{1,20}), "
    r"overlimits (?P<overlimits>\d{1,20}).*"
)
_MORE = re.compile(
    r"\s*(?:backlog \d|maxpacket \d|new_flows_len |rate \d|flows \d|throttled \d|gc \d|  \S.{0,100}ecn_mark).*"
)
_FIRST = frozenset(["qdisc", "Sent", "backlog", "maxpacket", "new_flows_len", "rate", "flows", "throttled", "gc"])
_FIRST_MAX = 40
"""Maximum length of the first word with its indent."""


@dataclass(frozen=True)
class Qdisc:
    """One queueing discipline.

    Attributes:
        kind: Its kind: `fq_codel`, `pfifo_fast`.
        device: Its interface; empty where that is not shown.
        packets: Number of packets sent.
        dropped: Number of packets dropped.
        overlimits: Number of times a packet exceeded the rate limit.
        line: Line number, from 1.
    """

    kind: str
    device: str
    packets: int
    dropped: int
    overlimits: int
    line: int = field(default=0, compare=False)


def is_line(line: str) -> bool:
    """Return whether a line belongs to `tc -s qdisc`."""
    first = line[:_FIRST_MAX].split(None, 1)
    return first[:1] != [] and first[0] in _FIRST and any(pattern.fullmatch(line) for pattern in (_NAME, _SENT, _MORE))


def parse(lines: Iterable[tuple[int, str]]) -> tuple[Qdisc, ...]:
    """Parse queueing disciplines from numbered lines."""
    qdiscs: list[Qdisc] = []
    name: re.Match[str] | None = None
    for number, line in lines:
        name = _NAME.fullmatch(line) or name
        sent = _SENT.fullmatch(line)
        if sent is not None and name is not None:
            packets, dropped, overlimits = (int(sent[key]) for key in ("packets", "dropped", "overlimits"))
            qdiscs.append(Qdisc(name["kind"], name["device"] or "", packets, dropped, overlimits, number))
            name = None
    return tuple(qdiscs)
