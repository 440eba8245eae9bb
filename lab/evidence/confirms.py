"""Return values of `__nf_conntrack_confirm` for DNS packets, by systemtap or bpftrace scripts, or by `lab watch`.

Both the article's script and the lab's own scripts are parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from lab.evidence import flow
from lab.evidence.constants import ANY_FLOW, IPV4_FLOW
from lab.evidence.fields import PORT_MAX, parse_integer
from lab.evidence.flow import Flow

_ADDRESS = r"(?:0x)?(?P<ct>[0-9a-f]{1,16})|\(null\)"
# The article's t.stp: one line at the entry, for DNS packets only, and one at each return, of any packet.
_ENTERED = re.compile(
    rf"\s*__nf_conntrack_confirm: {IPV4_FLOW} TID: (?P<id>\d{{1,5}}), ct: (?:{_ADDRESS}), ctinfo: \d{{1,2}}\s*"
)
_RETURNED = re.compile(r"\s*__nf_conntrack_confirm: return (?P<ret>-?\d{1,10})\s*")
# provision/stap/confirm.stp
_STAP = re.compile(
    rf"\s*\d{{1,17}} (?:confirm|returned (?P<ret>-?\d{{1,10}})) {IPV4_FLOW} id (?P<id>\d{{1,5}}) "
    rf"ct (?:{_ADDRESS}) ctinfo \d{{1,2}}\s*"
)
# provision/bpftrace/confirm.bt
_BPFTRACE = re.compile(
    r"\s*\d{1,20} returned (?P<ret>-?\d{1,10}) port (?P<sport>\d{1,5}) id (?P<id>\d{1,5}) ct (?P<ct>[0-9a-f]{1,16}) -> "
    r"[0-9a-f]{1,16}\s*"
)
# lab watch --trace --save
_WATCHED = re.compile(rf"\s*\d{{1,20}} confirm returned (?P<ret>\d{{1,10}}) {ANY_FLOW} id (?P<id>\d{{1,5}})\s*")
_NAMES = re.compile(r"\s*(?:ready|Attaching \d{1,3} probes?\.\.\.)\s*")


@dataclass(frozen=True)
class Confirm:
    """One DNS packet passed to confirm.

    Attributes:
        flow: The 5-tuple; None where the script does not print it.
        sport: The source port.
        dns_id: The DNS id.
        ct: The conntrack's address at the entry of confirm; None when there is none or it is not shown.
        returned: Confirm's return value: 0 is NF_DROP, 1 NF_ACCEPT (linux/netfilter.h); None where it is unknown.
        sure: Whether the return value certainly belongs to this packet.
        line: The line that names the packet, from 1.
        returned_line: The line of the return; 0 where it is unknown.
    """

    flow: Flow | None
    sport: int
    dns_id: int
    ct: int | None
    returned: int | None
    sure: bool
    line: int = field(default=0, compare=False)
    returned_line: int = field(default=0, compare=False)


def is_line(line: str) -> bool:
    """Return whether a line was printed by one of these scripts."""
    likely = "confirm" in line or " returned " in line
    return likely and any(pattern.fullmatch(line) for pattern in (_ENTERED, _RETURNED, _STAP, _BPFTRACE, _WATCHED))


def parse(lines: Iterable[tuple[int, str]]) -> tuple[Confirm, ...]:
    """Parse packets and confirm's return values from numbered lines.

    The article's script names the packet only at the entry. A return is assigned to the entry on the line before it.
    That is certain only where entries and returns alternate throughout: with several processors, or packets that are
    not named, returns of other packets come in between.
    """
    confirms: list[Confirm] = []
    waiting: list[int] = []
    alternate = True
    for number, line in lines:
        if entered := _ENTERED.fullmatch(line):
            alternate = alternate and not waiting
            waiting = [len(confirms)]
            confirms += _confirm(entered, number, None)
        elif returned := _RETURNED.fullmatch(line):
            alternate = alternate and bool(waiting)
            for at in waiting:
                confirms[at] = replace(confirms[at], returned=int(returned["ret"]), returned_line=number)
            waiting = []
        elif (whole_line := _whole(line)) and whole_line["ret"] is not None:
            confirms += _confirm(whole_line, number, int(whole_line["ret"]))
    return tuple(each if each.returned_line == each.line else replace(each, sure=alternate) for each in confirms)


def confirm_line(realtime_us: int, returned: int, of: Flow, dns_id: int) -> str:
    """Return the line of a query that was passed to confirm, as `lab watch` saves it."""
    source, destination = (f"[{address}]" if ":" in address else address for address in (of.src, of.dst))
    return f"{realtime_us} confirm returned {returned} {source}:{of.sport}->{destination}:{of.dport} id {dns_id}"


def _whole(line: str) -> re.Match[str] | None:
    """Return a line that has both the packet and the return value."""
    return _STAP.fullmatch(line) or _BPFTRACE.fullmatch(line) or _WATCHED.fullmatch(line)


def _confirm(match: re.Match[str], line: int, returned: int | None) -> Iterator[Confirm]:
    parts = match.groupdict()
    try:
        sport, dns_id = parse_integer(parts["sport"], PORT_MAX), parse_integer(parts["id"], PORT_MAX)
        of = flow.parse(parts["src"], parts["sport"], parts["dst"], parts["dport"]) if parts.get("src") else None
    except ValueError:
        return
    ct = int(parts["ct"], 16) or None if parts.get("ct") else None
    yield Confirm(
        of, sport, dns_id, ct, returned, sure=True, line=line, returned_line=line if returned is not None else 0
    )
