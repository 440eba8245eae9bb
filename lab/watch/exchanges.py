"""Groups the DNS messages of one network namespace by lookup, as they come, and tells which lookups waited."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.catalogue.timeouts import RES_TIMEOUT_S
from lab.diagnosis.book import SAME_S
from lab.diagnosis.fates import RETRY_S, SLOW_S
from lab.watch.events import PacketSeen
from lab.watch.glance import Glance

SECOND_NS = 10**9

SETTLED_NS = int(1.2 * SECOND_NS)
"""How long a lookup that waited is followed after its last packet, if all is answered: longer than SLOW_S."""

SPARE_NS = 2 * SECOND_NS
"""How much longer than the client's timeout a lookup is followed."""

OPEN_MAX = 50_000
"""Most lookups followed at once in a namespace: 7000 a second."""

PACKETS_MAX = 200
"""Most packets kept of one lookup."""

_SAME_NS, _RETRY_NS, _SLOW_NS = int(SAME_S * SECOND_NS), int(RETRY_S * SECOND_NS), int(SLOW_S * SECOND_NS)

_Query = tuple[bytes, int, int, bytes, bytes]


@dataclass(slots=True)
class AskedQuestion:
    """A question of a lookup: when it was asked last, how often, and whether the last attempt was answered."""

    dns_id: int
    last_ns: int
    attempts: int = 1
    answered: bool = False


@dataclass(slots=True)
class Exchange:
    """The packets of one lookup.

    Attributes:
        first_ns: Time of the first one, by the monotonic clock.
        last_ns: Time of the last one.
        port: Source port of the first one.
        name: The name in wire format.
        own: Whether the first one was sent from this namespace, not received.
        packets: The packets, in order.
        asked: Its questions by type.
        waited_ns: The longest wait that is seen: for an answer, or until a retry.
        keys: Under what it is found.
        was_slow: Whether an answer was late.
        claimed: Whether it is a lookup of another namespace, in which it has ended.
        closed: Whether it has ended.
        followed_ns: How long it is followed after its last packet.
    """

    first_ns: int
    last_ns: int
    port: int
    name: bytes
    own: bool
    packets: list[PacketSeen] = field(default_factory=list)
    asked: dict[bytes, AskedQuestion] = field(default_factory=dict)
    waited_ns: int = 0
    keys: set[object] = field(default_factory=set)
    was_slow: bool = False
    claimed: bool = False
    closed: bool = False
    followed_ns: int = 0

    @property
    def is_answered(self) -> bool:
        """Whether the last attempt of each question was answered."""
        return all(asked.answered for asked in self.asked.values())

    @property
    def asked_again(self) -> bool:
        """Whether the resolver is seen to have waited and asked again."""
        return self.waited_ns >= _RETRY_NS

    def queries(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield id, name and type of each question."""
        for qtype, asked in self.asked.items():
            yield asked.dns_id, self.name, qtype


class Exchanges:
    """The lookups of a namespace that are under way.

    Attributes:
        timeout_s: The client's timeout, by resolv.conf.
        left_out: Lookups that were not followed because there were too many.
    """

    def __init__(self) -> None:
        self.timeout_s = RES_TIMEOUT_S
        self.left_out = 0
        self._found: dict[object, Exchange] = {}
        self._open: deque[Exchange] = deque()
        self._waited: dict[int, Exchange] = {}

    @property
    def keep_ns(self) -> int:
        """How long a lookup is followed after its last packet."""
        return self.timeout_s * SECOND_NS + SPARE_NS

    def take(self, packet: PacketSeen, message: Glance) -> None:
        """Add a DNS message."""
        exchange = self._answered(message) if message.is_answer else self._asking(packet, message)
        if exchange is None:
            return
        if len(exchange.packets) < PACKETS_MAX:
            exchange.packets.append(packet)
        exchange.last_ns = packet.monotonic_ns
        if message.is_answer:
            self._answer(exchange, packet, message)
        if exchange.waited_ns >= _RETRY_NS:
            self._waited[id(exchange)] = exchange

    def find(self, dns_id: int, name: bytes, qtype: bytes) -> Exchange | None:
        """Return the latest lookup that has asked a question."""
        return self._found.get((dns_id, name, qtype))

    def _answered(self, message: Glance) -> Exchange | None:
        _, _, dns_id, _, name, qtype, _ = message
        strong = self._found.get((message.client, message.port, dns_id, name, qtype))
        return strong or self._found.get((dns_id, name, qtype))

    def _answer(self, exchange: Exchange, packet: PacketSeen, message: Glance) -> None:
        asked = exchange.asked.get(message.qtype)
        if asked is None or asked.answered:
            return
        asked.answered = True
        took_ns = packet.monotonic_ns - asked.last_ns
        if took_ns >= _SLOW_NS:
            exchange.waited_ns = max(exchange.waited_ns, took_ns)
            exchange.was_slow = True

    def _asking(self, packet: PacketSeen, message: Glance) -> Exchange:
        """Return the lookup that a query belongs to, with the query noted; a new one if there is none."""
        client, port, dns_id, _, name, qtype, _ = message
        at_ns = packet.monotonic_ns
        strong, weak, socket = (client, port, dns_id, name, qtype), (dns_id, name, qtype), (client, port, name)
        exchange = self._found.get(strong)
        if exchange is None:
            exchange = self._elsewhere(message, at_ns) or self._beside(socket, message, at_ns)
        if exchange is None:
            exchange = self._new(packet, message)
        asked = exchange.asked.get(qtype)
        if asked is None:
            exchange.asked[qtype] = AskedQuestion(dns_id, at_ns)
            # First seen when others of the lookup are asked again: its first attempt is missing.
            exchange.waited_ns = max(exchange.waited_ns, at_ns - exchange.first_ns)
        elif at_ns - asked.last_ns > _SAME_NS:
            exchange.waited_ns = max(exchange.waited_ns, at_ns - asked.last_ns)
            asked.attempts += 1
            asked.last_ns, asked.answered = at_ns, False
        for key in (strong, weak, socket):
            self._found[key] = exchange
            exchange.keys.add(key)
        return exchange

    def _elsewhere(self, message: Glance, at_ns: int) -> Exchange | None:
        """Return the lookup of the same query from another address or port: a translated copy, or a retry."""
        known = self._found.get((message.dns_id, message.name, message.qtype))
        asked = known.asked.get(message.qtype) if known else None
        if known is None or asked is None or asked.answered or asked.dns_id != message.dns_id:
            return None
        since_ns = at_ns - asked.last_ns
        return known if since_ns <= _SAME_NS or _RETRY_NS <= since_ns <= self.keep_ns else None

    def _beside(self, socket: object, message: Glance, at_ns: int) -> Exchange | None:
        """Return the lookup of a query's sibling: the same socket and name, and another type."""
        known = self._found.get(socket)
        if known is None or at_ns - known.last_ns > self.keep_ns:
            return None
        asked = known.asked.get(message.qtype)
        # The same question with another id is the next lookup of a program that keeps its socket.
        return known if asked is None or asked.dns_id == message.dns_id else None

    def _new(self, packet: PacketSeen, message: Glance) -> Exchange:
        if len(self._open) >= OPEN_MAX:
            self._forget(self._open.popleft())
            self.left_out += 1
        exchange = Exchange(packet.monotonic_ns, packet.monotonic_ns, message.port, message.name, packet.outgoing)
        exchange.followed_ns = self.keep_ns
        self._open.append(exchange)
        return exchange

    def close(self, now_ns: int, *, everything: bool = False) -> Iterator[Exchange]:
        """Yield the lookups that have ended, and forget them.

        Args:
            now_ns: The present time.
            everything: Whether all have to end now.
        """
        for key, exchange in list(self._waited.items()):
            if everything or (exchange.is_answered and now_ns - exchange.last_ns >= SETTLED_NS):
                del self._waited[key]
                exchange.closed = True
                yield exchange
        for _ in range(len(self._open)):
            exchange = self._open[0]
            if not everything and now_ns - exchange.first_ns < self.keep_ns:
                break
            self._open.popleft()
            if exchange.closed:
                self._forget(exchange)
            elif everything or now_ns - exchange.last_ns >= self.keep_ns:
                self._waited.pop(id(exchange), None)
                self._forget(exchange)
                yield exchange
            else:
                self._open.append(exchange)

    def _forget(self, exchange: Exchange) -> None:
        self._waited.pop(id(exchange), None)
        for key in exchange.keys:
            if self._found.get(key) is exchange:
                del self._found[key]
