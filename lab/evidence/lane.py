"""Selects a lane's own events: the hook, the kernel's trace and systemtap record queries of the whole machine."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from lab.evidence import hook, stap
from lab.evidence.errors import UnreadableError
from lab.evidence.kernel import query_of, source_of
from lab.evidence.trace import Trace

_ADDRESS = re.compile(r"\binet6? (?P<address>[0-9a-f.:]{2,45})/\d{1,3}\b", re.ASCII)


def parse(text: str) -> frozenset[str]:
    """Parse a trial's `addresses`, the output of `ip -o addr show` in the lane.

    Raises:
        UnreadableError: there is no address, or an invalid one.
    """
    try:
        addresses = frozenset(str(ipaddress.ip_address(match["address"])) for match in _ADDRESS.finditer(text))
    except ValueError as error:
        raise UnreadableError(f"cannot parse the lane's addresses: {text.strip()[:80]!r}") from error
    if not addresses:
        raise UnreadableError(f"the lane has no address: {text.strip()[:80]!r}")
    return addresses


@dataclass(frozen=True)
class LaneEvents:
    """A lane's own events from the machine-wide sources.

    Attributes:
        queued: The hook's packets; None without that source.
        traced: The kernel's trace; None without that source.
        tapped: Systemtap's returns; None without that source.
        strangers: Number of foreign queries per source; only sources that had any.
    """

    queued: tuple[hook.HookPacket, ...] | None
    traced: Trace | None
    tapped: tuple[stap.Return, ...] | None
    strangers: Mapping[str, int] = field(default_factory=dict)


def select_lane(
    addresses: Collection[str],
    queued: tuple[hook.HookPacket, ...] | None,
    traced: Trace | None,
    tapped: tuple[stap.Return, ...] | None,
) -> LaneEvents:
    """Select the events whose source address is one of the lane's, and count foreign queries.

    Events without a source address are kept: marks, returns, and traces recorded before the source address was traced.

    Args:
        addresses: The lane's addresses.
        queued: The hook's packets.
        traced: The kernel's trace.
        tapped: Systemtap's returns.
    """
    packets = None if queued is None else tuple(packet for packet in queued if packet.flow.src in addresses)
    returns = None if tapped is None else tuple(returned for returned in tapped if returned.flow.src in addresses)
    trace = traced
    strange = 0
    if traced is not None:
        foreign = {index for index, event in enumerate(traced.events) if _is_foreign(source_of(event), addresses)}
        events = tuple(event for index, event in enumerate(traced.events) if index not in foreign)
        # One query causes several events. Outside of the lane NAT may change the source address of its queries.
        ours = {query_of(event) for event in events if source_of(event) is not None}
        others = {(source_of(traced.events[index]), query_of(traced.events[index])) for index in foreign}
        strange = sum(query not in ours for _, query in others)
        trace = Trace(events, traced.lost)
    counts = {
        "dmesg": len(queued or ()) - len(packets or ()),
        "trace": strange,
        "stap.out": len(tapped or ()) - len(returns or ()),
    }
    return LaneEvents(packets, trace, returns, {source: count for source, count in counts.items() if count})


def _is_foreign(source: str | None, addresses: Collection[str]) -> bool:
    return source is not None and source not in addresses
