"""The queries that were passed to conntrack's confirm, by the trace, and which lookup each belongs to."""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from lab.evidence import flow
from lab.evidence.confirms import confirm_line
from lab.evidence.constants import NF_DROP
from lab.watch.events import ConfirmSeen
from lab.watch.exchanges import SECOND_NS, Exchange
from lab.watch.glance import Glance, glance

KEPT_MAX = 50_000
"""Most queries kept: those of 50 s at 1000 a second; a lookup is followed for ten seconds or so."""

PER_PORT_MAX = 64
"""Most queries kept of one source port: some clients always use the same one."""

NEAR_NS = SECOND_NS
"""How far from a lookup's packets a query of it is confirmed: queues hold it for milliseconds, the trace is read every
tenth of a second."""


class ConfirmBook:
    """The queries passed to confirm lately.

    Attributes:
        confirms: How many were seen.
        dropped: How many of them confirm dropped.
    """

    def __init__(self) -> None:
        self.confirms = 0
        self.dropped = 0
        self._kept: deque[ConfirmSeen] = deque()
        self._by_port: dict[int, deque[ConfirmSeen]] = {}

    def take(self, seen: ConfirmSeen) -> None:
        """Add a query."""
        self.confirms += 1
        self.dropped += seen.returned == NF_DROP
        self._kept.append(seen)
        self._by_port.setdefault(seen.sport, deque(maxlen=PER_PORT_MAX)).append(seen)
        if len(self._kept) > KEPT_MAX:
            self._forget(self._kept.popleft())

    def of_exchange(self, parts: Sequence[Exchange]) -> tuple[ConfirmSeen, ...]:
        """Return the queries of a lookup: its source port with its address, or with one of its DNS ids.

        Args:
            parts: The lookup's packets as each namespace saw them; addresses may be translated in between.
        """
        ends, ids = set(_ends(parts)), {asked.dns_id for part in parts for asked in part.asked.values()}
        begin_ns, end_ns = min(part.first_ns for part in parts), max(part.last_ns for part in parts)
        return tuple(
            seen
            for port in {port for _, port in ends}
            for seen in self._near(port, begin_ns, end_ns)
            if (seen.source, port) in ends or seen.dns_id in ids
        )

    def of_socket(self, port: int, server: str, begin_ns: int, end_ns: int) -> tuple[ConfirmSeen, ...]:
        """Return the queries of a socket of which no packet was captured: its port, and the server that it asks."""
        try:
            address = ipaddress.ip_address(server).packed
        except ValueError:
            return ()
        return tuple(seen for seen in self._near(port, begin_ns, end_ns) if seen.destination == address)

    def _forget(self, oldest: ConfirmSeen) -> None:
        known = self._by_port[oldest.sport]
        if known and known[0] is oldest:
            known.popleft()

    def _near(self, port: int, begin_ns: int, end_ns: int) -> Iterator[ConfirmSeen]:
        for seen in self._by_port.get(port, ()):
            if begin_ns - NEAR_NS <= seen.monotonic_ns <= end_ns + NEAR_NS:
                yield seen


def count_dropped(seen: Iterable[ConfirmSeen]) -> int:
    """Return how many of the queries confirm dropped."""
    return sum(each.returned == NF_DROP for each in seen)


def trace_file(seen: Sequence[ConfirmSeen], ahead_ns: int) -> dict[str, bytes]:
    """Return the file in which `lab diagnose` finds what confirm returned; none without any query.

    Args:
        seen: The queries.
        ahead_ns: By how much the realtime clock is ahead of the monotonic one.
    """
    ordered = sorted(seen, key=lambda each: each.monotonic_ns)
    lines = [
        confirm_line((each.monotonic_ns + ahead_ns) // 1000, each.returned, _flow(each), each.dns_id)
        for each in ordered
    ]
    return {"confirm": "".join(f"{line}\n" for line in lines).encode()} if lines else {}


def _flow(seen: ConfirmSeen) -> flow.Flow:
    source, destination = (str(ipaddress.ip_address(each)) for each in (seen.source, seen.destination))
    return flow.Flow(source, seen.sport, destination, seen.dport)


def _ends(parts: Iterable[Exchange]) -> Iterator[tuple[bytes, int]]:
    """Yield the addresses and ports from which a lookup's queries came."""
    for part in parts:
        for packet in part.packets:
            message = glance(packet.data)
            if type(message) is Glance:
                yield message.client, message.port
