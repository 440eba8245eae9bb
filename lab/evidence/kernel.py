"""The steps of DNS queries through the kernel, extracted from its trace."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lab.evidence.constants import DNS_PORT
from lab.evidence.trace import Trace, TraceEvent

UDP = 17
IPV6 = 6

CTINFO_MASK = 7
"""The lowest bits of a packet's conntrack pointer hold ctinfo (NFCT_INFOMASK, linux/skbuff.h, from 4.11 on)."""


class Action(StrEnum):
    """What the kernel did with a packet; but for the first, the values are the event names of guest/trace.sh."""

    ARRIVED = "arrived"
    """The client behind the lane transmitted it: see `mark_arrivals`."""
    QUEUED = "queued"
    REINJECTED = "reinject"
    CONFIRMED = "confirming"
    SENT = "xmit"


_NAMES = frozenset(did.value for did in Action)


@dataclass(frozen=True)
class PacketStep:
    """One step of a DNS query on its way out of the client's namespace.

    Attributes:
        time_s: Time by the trace's clock, in seconds.
        did: The kernel's action.
        sport: The query's source port.
        dns_id: The DNS id.
        ct: The conntrack's address at that moment; None without a conntrack.
        returned: Confirm's return value: 0 is NF_DROP, 1 NF_ACCEPT (linux/netfilter.h); None while it is unknown.
        clashed: Whether confirm hit a clash; only kernels with nf_ct_resolve_clash show it.
        line: Line number in the trace; ignored in comparisons.
        ended: Line numbers of the outcome: a clash, a return.
        cpu: The processor's number.
        src: The query's source address at that moment; None where it is not traced.
    """

    time_s: float
    did: Action
    sport: int
    dns_id: int
    ct: int | None
    returned: int | None = None
    clashed: bool = False
    line: int = field(default=0, compare=False)
    ended: tuple[int, ...] = field(default=(), compare=False)
    cpu: int = field(default=0, compare=False)
    src: str | None = field(default=None, compare=False)


def extract_steps(trace: Trace) -> tuple[PacketStep, ...]:
    """Return the steps of each query over UDP until it is transmitted; later steps are on the server's side."""
    return tuple(_steps(trace.events))


def mark_arrivals(trace: Trace) -> Trace:
    """Return the trace of a lane with a client behind it, in which the client's transmissions are arrivals.

    The first interface that a query leaves by is the client's.
    """
    client = next((event.arguments.get("dev") for event in trace.events if _is_sent(event)), None)
    return replace(
        trace,
        events=tuple(
            replace(event, name=Action.ARRIVED.value)
            if _is_sent(event) and client is not None and event.arguments.get("dev") == client
            else event
            for event in trace.events
        ),
    )


def _is_sent(event: TraceEvent) -> bool:
    return event.name == Action.SENT.value and _is_query(event)


def _steps(events: tuple[TraceEvent, ...]) -> Iterator[PacketStep]:
    sent: set[tuple[int, int]] = set()
    for index, event in enumerate(events):
        step = _step(event)
        if step is None:
            continue
        query = (step.sport, step.dns_id)
        if step.did is Action.CONFIRMED:
            # After a query was transmitted, the server's namespace confirms it.
            if query not in sent:
                yield _with_return(step, events[index:])
            continue
        if step.did is Action.SENT:
            sent.add(query)
        elif step.did in {Action.ARRIVED, Action.QUEUED}:
            sent.discard(query)
        yield step


def source_of(event: TraceEvent) -> str | None:
    """Return the source address of a DNS query over UDP; None for any other event, or where it is not traced."""
    arguments = event.arguments
    if not _is_query(event) or "saddr" not in arguments:
        return None
    # Bytes of the header, as a little-endian machine reads them.
    if _is_ipv6(event):
        halves = (arguments.get(name, 0) & 0xFFFFFFFFFFFFFFFF for name in ("saddr6", "low6"))
        return str(ipaddress.IPv6Address(b"".join(half.to_bytes(8, "little") for half in halves)))
    return str(ipaddress.IPv4Address((arguments["saddr"] & 0xFFFFFFFF).to_bytes(4, "little")))


def query_of(event: TraceEvent) -> tuple[int, int]:
    """Return a DNS query's source port and DNS id."""
    suffix = "6" if _is_ipv6(event) else ""
    return _host_order(event.arguments[f"sport{suffix}"]), _host_order(event.arguments[f"dns{suffix}"])


def _is_ipv6(event: TraceEvent) -> bool:
    """Return whether a packet's version is 6, in the upper half of its first byte; older traces do not have it."""
    return event.arguments.get("version", 0) >> 4 == IPV6


def _is_query(event: TraceEvent) -> bool:
    arguments = event.arguments
    proto, sport, dport, dns = (
        f"{name}{'6' if _is_ipv6(event) else ''}" for name in ("proto", "sport", "dport", "dns")
    )
    return (
        event.name in _NAMES
        and arguments.keys() >= {"ct", proto, sport, dport, dns}
        and arguments[proto] == UDP
        and _host_order(arguments[dport]) == DNS_PORT
    )


def _step(event: TraceEvent) -> PacketStep | None:
    arguments = event.arguments
    if not _is_query(event):
        return None
    ct = arguments["ct"] & ~CTINFO_MASK or None
    sport, dns_id = query_of(event)
    src = source_of(event)
    return PacketStep(event.time_s, Action(event.name), sport, dns_id, ct, line=event.line, cpu=event.cpu, src=src)


def _with_return(step: PacketStep, events: tuple[TraceEvent, ...]) -> PacketStep:
    """Add the outcome of the confirm that the first event enters: the next return of the same task."""
    entered, *later = events
    clashed = False
    ended: tuple[int, ...] = ()
    for event in later:
        if event.pid != entered.pid:
            continue
        if event.name == Action.CONFIRMED.value:
            break
        if event.name == "confirm":
            return replace(step, returned=event.arguments.get("ret"), clashed=clashed, ended=(*ended, event.line))
        if event.name == "clash":
            clashed, ended = True, (*ended, event.line)
    return step


def _host_order(value: int) -> int:
    """Convert a 16-bit header field, which the trace shows as read by a little-endian machine."""
    return (value & 0xFF) << 8 | value >> 8


def match_returns(trace: Trace, packets: int) -> list[int | None] | None:
    """Return confirm's return value for each queued packet, from a trace without packet addresses.

    The verdict program releases packets in arrival order; each is confirmed before the next is released.

    Args:
        trace: The trace.
        packets: Number of queued packets.

    Returns:
        One return value per packet, None where confirm was not entered because the conntrack was already confirmed.
        None instead of the list when the number of reinjected packets differs from the number of queued ones.
    """
    back = [index for index, event in enumerate(trace.events) if event.name == Action.REINJECTED.value]
    if len(back) != packets or any("skb" in trace.events[index].arguments for index in back):
        return None
    ends = [*back[1:], len(trace.events)]
    return [_first_return(trace.events[start:end]) for start, end in zip(back, ends, strict=True)]


def _first_return(events: tuple[TraceEvent, ...]) -> int | None:
    task = events[0].pid
    return next((event.arguments.get("ret") for event in events if event.name == "confirm" and event.pid == task), None)
