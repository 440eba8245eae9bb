"""What is known of one network namespace while it is watched."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from lab.catalogue.timeouts import RES_DFLRETRY, RES_MAXRETRANS_S, RES_SHORTEST_S, RES_TIMEOUT_S
from lab.evidence import resolv_conf
from lab.watch.events import PacketSeen, SocketWaits
from lab.watch.exchanges import SECOND_NS, Exchanges
from lab.watch.result import NamespaceTally
from lab.watch.silence import Waiting

READINGS_MAX = 120
"""Readings kept: they come once a second, and no lookup is followed for two minutes."""

OTHERS_MAX = 256
"""Packets without DNS message kept: refusals and beginnings of TCP connections."""

CLASH_NS = 5 * SECOND_NS // 2
"""How long after its query a lost packet is counted at the latest: verdicts come in milliseconds, readings are a second
apart."""

SHORT_TIMEOUT_S = 2.0
"""Without options a socket that waits for less has met no timeout: the shortest is musl's, and sockets are looked at
once a second."""

NEARLY = 0.9
"""Part of a timeout that a socket is seen to wait at least: the lab's clocks and the resolver's differ."""


class Readings:
    """Texts that were read one after the other; one that has not changed is not read again."""

    def __init__(self) -> None:
        self._read: deque[tuple[int, str]] = deque(maxlen=READINGS_MAX)

    def add(self, at_ns: int, text: str) -> None:
        """Add a reading."""
        self._read.append((at_ns, text))

    def around(self, at_ns: int) -> tuple[str, str] | None:
        """Return the readings before and after a query, the first one where none is before; None without any."""
        if not self._read:
            return None
        first = self._read[0][1]
        before = next((text for time_ns, text in reversed(self._read) if time_ns <= at_ns), first)
        after = next((text for time_ns, text in reversed(self._read) if time_ns <= at_ns + CLASH_NS), first)
        return before, after


@dataclass
class NamespaceWatch:
    """A network namespace.

    Attributes:
        label: The name under which it is shown.
        inode: Its inode.
        exchanges: Its lookups that are under way.
        counters: Readings of conntrack's counters.
        queues: Readings of its queues to user space.
        configuration: Its resolv.conf; empty when not known.
        longest_ns: The longest time that a lookup takes, by resolv.conf.
        shortest_ns: The shortest time that a socket is seen to wait in a lookup that stalls.
        owners: Sockets that wait, with their processes, by port.
        silent: Sockets to DNS servers of which no packet was captured.
        others: Packets without a DNS message.
        losses: When the watch itself lost packets, and how many.
        lookups: Lookups that have ended.
        causes: Stalled ones, by cause.
        last: The cause of the last stall.
        lost: Packets that the watch itself lost.
        dropped: Stalled lookups of which confirm is seen to have dropped a query.
        present: Whether it still exists.
    """

    label: str
    inode: int
    exchanges: Exchanges = field(default_factory=Exchanges)
    counters: Readings = field(default_factory=Readings)
    queues: Readings = field(default_factory=Readings)
    configuration: str = ""
    longest_ns: int = RES_TIMEOUT_S * RES_DFLRETRY * SECOND_NS
    shortest_ns: int = int(SHORT_TIMEOUT_S * SECOND_NS)
    owners: dict[int, SocketWaits] = field(default_factory=dict)
    silent: Waiting = field(default_factory=dict)
    others: deque[PacketSeen] = field(default_factory=lambda: deque(maxlen=OTHERS_MAX))
    losses: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=READINGS_MAX))
    lookups: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    last: str = ""
    lost: int = 0
    dropped: int = 0
    present: bool = True

    @property
    def stalled(self) -> int:
        """Lookups that waited."""
        return self.causes.total()

    @property
    def is_counted(self) -> bool:
        """Whether it has made lookups, or may have: the watch itself lost packets there."""
        return bool(self.lookups or self.lost)

    def tally(self) -> NamespaceTally:
        """Return its counts."""
        return NamespaceTally(
            namespace=self.label,
            inode=self.inode,
            present=self.present,
            lookups=self.lookups,
            stalled=self.stalled,
            causes=dict(self.causes),
            last=self.last,
            lost=self.lost,
            dropped=self.dropped,
        )

    def configure(self, text: str) -> None:
        """Take over a resolv.conf."""
        self.configuration = text
        conf = resolv_conf.parse(text)
        timeout_s = max(conf.number("timeout", RES_TIMEOUT_S), RES_SHORTEST_S)
        servers = max(1, len(conf.nameservers))
        self.longest_ns = timeout_s * conf.number("attempts", RES_DFLRETRY) * servers * SECOND_NS
        self.shortest_ns = int(min(SHORT_TIMEOUT_S, NEARLY * timeout_s) * SECOND_NS)
        self.exchanges.timeout_s = min(max(timeout_s, RES_TIMEOUT_S), RES_MAXRETRANS_S)

    def lost_since(self, at_ns: int) -> int:
        """Return how many packets the watch itself has lost since then, within the second before included."""
        return sum(count for time_ns, count in self.losses if time_ns >= at_ns - SECOND_NS)
