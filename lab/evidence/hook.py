"""What the hook module nfqdns logged: every DNS packet it sent to NFQUEUE, with its conntrack at that moment."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lab.evidence import flow
from lab.evidence.errors import UnreadableError
from lab.evidence.fields import PORT_MAX, whole
from lab.evidence.flow import Flow

_LINE = re.compile(
    r"^\[\s*(?P<time>\d{1,10}\.\d{1,9})\] \[nfqdns\] "
    r"(?P<src>[0-9.]{7,15}):(?P<sport>\d{1,5})->(?P<dst>[0-9.]{7,15}):(?P<dport>\d{1,5}) "
    r"(?:q\d{1,5} )?skb (?P<skb>[0-9a-f]{8,16}) ct (?P<ct>[0-9a-f]{8,16}) tid (?P<tid>\d{1,5}|-)"
    r"(?: at (?P<monotonic>\d{1,10}\.\d{9}))?$",
    re.ASCII,
)


@dataclass(frozen=True)
class Packet:
    """One packet as the hook saw it.

    Attributes:
        time_s: Since the kernel started, by its log's clock, in seconds.
        flow: Its 5-tuple.
        skb: The packet buffer's address.
        ct: The conntrack's address; None for an untracked packet.
        dns_id: Its DNS id; None when it is too short to have one.
        monotonic_s: When it passed the hook, by CLOCK_MONOTONIC in seconds; None in logs of before the hook said so.
        line: Which line of the log tells it, from 1; the same packet is the same on whatever line.
    """

    time_s: float
    flow: Flow
    skb: int
    ct: int | None
    dns_id: int | None
    monotonic_s: float | None = None
    line: int = field(default=0, compare=False)


def parse(log: str) -> tuple[Packet, ...]:
    """Read the kernel's log (`dmesg`) and give the hook's packets in order; other lines are passed over.

    So is a last line without an end: its last number may be cut off.

    Raises:
        UnreadableError: a line has the hook's mark but not its form.
    """
    # What stands behind the last line's end is a line without one, if it is any.
    *lines, _cut_off = log.split("\n")
    return tuple(
        _packet(line.removesuffix("\r"), number)
        for number, line in enumerate(lines, 1)
        if "[nfqdns] " in line and "->" in line
    )


def _packet(line: str, number: int) -> Packet:
    found = _LINE.match(line)
    if found is None:
        raise UnreadableError(f"the hook's line is not understood: {line[:120]!r}")
    try:
        dns_id = None if found["tid"] == "-" else whole(found["tid"], PORT_MAX)
        of = flow.read(found["src"], found["sport"], found["dst"], found["dport"])
    except ValueError as error:
        raise UnreadableError(f"the hook's line has no address or number where it should: {line[:120]!r}") from error
    return Packet(
        time_s=float(found["time"]),
        flow=of,
        skb=int(found["skb"], 16),
        ct=int(found["ct"], 16) or None,
        dns_id=dns_id,
        monotonic_s=None if found["monotonic"] is None else float(found["monotonic"]),
        line=number,
    )
