"""DNS questions as one source shows them: attempts and answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.diagnosis.material import Citation

FORGOTTEN_S = 60.0
"""DNS ids are reused. After this time without an attempt the same id is another question: no resolver waits as long
(resolv.h: RES_MAXRETRANS 30 s)."""

SERVERS = frozenset({"SERVFAIL", "REFUSED", "NOTIMP"})
"""Response codes after which a resolver tries the next server (glibc's res_send.c)."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One packet of an attempt; a capture of several interfaces shows an attempt more than once.

    Attributes:
        dst: Destination address in this packet: before or after translation.
        interface: Interface name; None where the capture does not record it.
        outgoing: Whether the capturing machine sent it; None where the capture does not record it.
        place: The packet.
    """

    dst: str
    interface: str | None
    outgoing: bool | None
    place: Citation


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a question.

    Attributes:
        time_s: Time by the source's clock, in seconds.
        place: The line or packet that shows it.
        server: The server's address; None when not known.
        sockets: The sockets it was sent from, by an identifier of the source.
        protocol: `udp` or `tcp`.
        ways: True if the capturing machine sent it, False if it received it, both if it forwarded it.
        refused: Whether the kernel dropped it and returned an error to the sender.
        waited_s: Time at which the resolver is seen to time out; None when it is not.
        ttl: The packet's TTL; None without a packet.
        port: Source port; None when not known.
        client: Source address as first captured; None when not known.
        hops: Its packets, in order; empty when the source is no capture.
    """

    time_s: float
    place: Citation
    server: str | None
    sockets: frozenset[object]
    protocol: str
    ways: frozenset[bool] = frozenset()
    refused: bool = False
    waited_s: float | None = None
    ttl: int | None = None
    port: int | None = None
    client: str | None = None
    hops: tuple[Hop, ...] = ()

    @property
    def servers(self) -> frozenset[str]:
        """All its destination addresses: several where a capture shows both sides of a translation."""
        return frozenset(hop.dst for hop in self.hops) | ({self.server} if self.server else set())


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        time_s: Time by the source's clock, in seconds.
        place: The line or packet.
        rcode: Response code.
        senders: All its source addresses; empty where the source does not record them.
        attempt: The attempt it followed, counted from 0, since clocks of whole seconds do not show that.
    """

    time_s: float
    place: Citation
    rcode: str | None
    senders: frozenset[str] = frozenset()
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A question as one source shows it.

    Attributes:
        dns_id: DNS id, the same for each attempt.
        qtype: Query type; None where the source cuts it off.
        name: Query name; None where the source cuts it off.
        asked: Attempts, in order.
        answered: Answers, in order.
        renewed: First attempt of the same question under another id, as some resolvers (Go's) retry; None when there is
            none, or when this question was answered.
        renewed_answered: Whether that one was answered.
    """

    dns_id: int
    qtype: str | None
    name: str | None
    asked: tuple[Attempt, ...]
    answered: tuple[Reply, ...]
    renewed: Attempt | None = None
    renewed_answered: bool = False

    def __str__(self) -> str:
        """Return a description for messages."""
        return f"the {self.qtype or 'unknown'} query (id {self.dns_id})"

    def is_same(self, other: Question) -> bool:
        """Return whether another source shows the same question, as far as both show it."""
        return (
            self.dns_id == other.dns_id
            and (self.qtype == other.qtype or None in {self.qtype, other.qtype})
            and (self.name is None or other.name is None or self.name.lower() == other.name.lower())
        )

    def end_s(self, attempt: int) -> float:
        """Return the time until which answers belong to an attempt: that of the next attempt."""
        return self.asked[attempt + 1].time_s if attempt + 1 < len(self.asked) else math.inf

    def reply(self, attempt: int) -> Reply | None:
        """Return the first answer between an attempt and the next."""
        return next((reply for reply in self.answered if reply.attempt == attempt), None)


@dataclass(frozen=True, slots=True)
class Lookup:
    """Questions of one resolver for one name, from at least partly the same socket.

    Attributes:
        source: The file that shows it.
        questions: Questions in the order of their first attempts.
    """

    source: str
    questions: tuple[Question, ...]

    @property
    def start_s(self) -> float:
        """Time of the first attempt."""
        return self.questions[0].asked[0].time_s

    @property
    def name(self) -> str:
        """Return the name that is looked up, for messages."""
        return next((question.name for question in self.questions if question.name), "a name that is cut off")


def group_lookups(source: str, questions: Iterable[Question]) -> tuple[Lookup, ...]:
    """Group questions that share a socket and a name and were asked within FORGOTTEN_S of each other."""
    groups: list[list[Question]] = []
    latest: dict[tuple[object, str], list[Question]] = {}
    for question in sorted(questions, key=lambda question: question.asked[0].time_s):
        keys = [(socket, (question.name or "").lower()) for socket in _sockets(question)]
        group = next((latest[key] for key in keys if key in latest and _is_recent(question, latest[key])), None)
        if group is None:
            group = []
            groups.append(group)
        group.append(question)
        latest |= dict.fromkeys(keys, group)
    return tuple(Lookup(source, tuple(group)) for group in groups)


def _is_recent(question: Question, group: Sequence[Question]) -> bool:
    return question.asked[0].time_s - group[-1].asked[0].time_s <= FORGOTTEN_S


def _sockets(question: Question) -> frozenset[object]:
    if len(question.asked) == 1:
        return question.asked[0].sockets
    return frozenset().union(*(ask.sockets for ask in question.asked))
