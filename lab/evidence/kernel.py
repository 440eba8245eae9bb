"""The steps of DNS queries through the kernel, read off its trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lab.evidence.trace import Event, Trace

DNS_PORT = 53
UDP = 17

CTINFO_MASK = 7
"""The lowest bits of a packet's conntrack address say something else (NFCT_INFOMASK, linux/skbuff.h, from 4.11 on)."""


class Did(StrEnum):
    """What the kernel did with a packet; named after the events of provision/guest/trace.sh."""

    QUEUED = "queued"
    REINJECTED = "reinject"
    CONFIRMED = "confirming"
    SENT = "xmit"


_NAMES = frozenset(did.value for did in Did)


@dataclass(frozen=True)
class Step:
    """Something the kernel did with a DNS query on its way out of the client's namespace.

    Attributes:
        time_s: By the trace's clock, in seconds.
        did: What.
        sport: From which port the query comes.
        dns_id: Its DNS id.
        ct: The address of its conntrack at that moment; None for none.
        returned: What confirm returned: 0 is NF_DROP, 1 NF_ACCEPT (linux/netfilter.h); None while it is not known.
        clashed: Whether confirm met a clash; only a kernel that has nf_ct_resolve_clash says so.
        line: Which line of the trace tells it; the same step is the same on whatever line.
        ended: Which lines tell what came of it: a clash, a return.
    """

    time_s: float
    did: Did
    sport: int
    dns_id: int
    ct: int | None
    returned: int | None = None
    clashed: bool = False
    line: int = field(default=0, compare=False)
    ended: tuple[int, ...] = field(default=(), compare=False)


def steps(trace: Trace) -> tuple[Step, ...]:
    """Give the steps of each query over UDP, until it has left: what follows is done on the server's side."""
    return tuple(_steps(trace.events))


def _steps(events: tuple[Event, ...]) -> Iterator[Step]:
    gone: set[tuple[int, int]] = set()
    for index, event in enumerate(events):
        step = _step(event)
        if step is None:
            continue
        query = (step.sport, step.dns_id)
        if step.did is Did.CONFIRMED:
            # Of a query that has left, it is the server's namespace that confirms.
            if query not in gone:
                yield _with_return(step, events[index:])
            continue
        if step.did is Did.SENT:
            gone.add(query)
        elif step.did is Did.QUEUED:
            gone.discard(query)
        yield step


def _step(event: Event) -> Step | None:
    given = event.arguments
    if event.name not in _NAMES or not given.keys() >= {"ct", "proto", "sport", "dport", "dns"}:
        return None
    if given["proto"] != UDP or _host_order(given["dport"]) != DNS_PORT:
        return None
    ct = given["ct"] & ~CTINFO_MASK or None
    sport, dns_id = _host_order(given["sport"]), _host_order(given["dns"])
    return Step(event.time_s, Did(event.name), sport, dns_id, ct, line=event.line)


def _with_return(step: Step, events: tuple[Event, ...]) -> Step:
    """Add what the confirm that is entered by the first of these events returned: the next return of the same task."""
    entered, *later = events
    clashed = False
    ended: tuple[int, ...] = ()
    for event in later:
        if event.pid != entered.pid:
            continue
        if event.name == Did.CONFIRMED.value:
            break
        if event.name == "confirm":
            return replace(step, returned=event.arguments.get("ret"), clashed=clashed, ended=(*ended, event.line))
        if event.name == "clash":
            clashed, ended = True, (*ended, event.line)
    return step


def _host_order(value: int) -> int:
    """The trace has 16-bit fields of headers as a little-endian machine reads them."""
    return (value & 0xFF) << 8 | value >> 8


def returns_in_order(trace: Trace, packets: int) -> list[int | None] | None:
    """Give what confirm returned for each queued packet, of a trace that has no packets' addresses.

    The verdict program lets packets go in the order in which they came; each is confirmed before the next goes.

    Args:
        trace: The trace.
        packets: How many packets were queued.

    Returns:
        For each what confirm returned, None where it was not entered: the conntrack was confirmed already. None for all
        when another number of packets came back than was queued, so that they cannot be told apart.
    """
    back = [index for index, event in enumerate(trace.events) if event.name == Did.REINJECTED.value]
    if len(back) != packets or any("skb" in trace.events[index].arguments for index in back):
        return None
    ends = [*back[1:], len(trace.events)]
    return [_first_return(trace.events[start:end]) for start, end in zip(back, ends, strict=True)]


def _first_return(events: tuple[Event, ...]) -> int | None:
    task = events[0].pid
    return next((event.arguments.get("ret") for event in events if event.name == "confirm" and event.pid == task), None)
