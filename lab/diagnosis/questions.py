"""Each DNS question as one source shows it: how often it was asked, and what came back."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from lab.diagnosis.material import Calls, Capture, Place
from lab.evidence.message import Message

SAME_S = 0.3
"""A query that comes by again within so long is the same, seen on another interface (`-i any`, a bridge, a router's two
sides); no resolver asks again so soon (resolv.h: RES_TIMEOUT 5 s, at least 1 s; musl 2.5 s)."""

FORGOTTEN_S = 60.0
"""DNS ids come again. What was not asked for so long is another question: no resolver waits as long for one (resolv.h:
RES_MAXRETRANS 30 s)."""

SERVERS = frozenset({"SERVFAIL", "REFUSED", "NOTIMP"})
"""Answers that make a resolver go on to the next server (glibc's res_send.c)."""


@dataclass(frozen=True)
class Ask:
    """One sending of a question.

    Attributes:
        time_s: When, by the source's clock, in seconds.
        place: Where it is told.
        server: Whom it was sent to; None when that is not known.
        sockets: From which sockets, by whatever tells those apart in the source.
        protocol: `udp` or `tcp`.
        ways: Whether the machine that captured it sent it, received it, or both: what it forwards, it does both with.
        refused: Whether the kernel dropped it and told the sender.
        waited_s: Until when the resolver is seen to have waited in vain for an answer; None where it is not.
        ttl: How many routers it might still pass; None where there is no packet.
        port: The port it came from; None when that is not known.
    """

    time_s: float
    place: Place
    server: str | None
    sockets: frozenset[object]
    protocol: str
    ways: frozenset[bool] = frozenset()
    refused: bool = False
    waited_s: float | None = None
    ttl: int | None = None
    port: int | None = None


@dataclass(frozen=True)
class Reply:
    """One answer: when it came by, where that is told, and its code."""

    time_s: float
    place: Place
    rcode: str | None


@dataclass(frozen=True)
class Question:
    """A question, as one source shows it.

    Attributes:
        dns_id: Its DNS id, the same each time it is asked.
        qtype: The type asked for; None where the source cuts it off.
        name: The name asked for, likewise.
        asked: Each sending, in order.
        answered: Each answer, in order.
    """

    dns_id: int
    qtype: str | None
    name: str | None
    asked: tuple[Ask, ...]
    answered: tuple[Reply, ...]

    def __str__(self) -> str:
        """Name it for people."""
        return f"the {self.qtype or 'unknown'} query (id {self.dns_id})"

    def is_same(self, other: Question) -> bool:
        """Say whether another source means the same question, as far as both tell."""
        return (
            self.dns_id == other.dns_id
            and (self.qtype == other.qtype or None in {self.qtype, other.qtype})
            and (self.name is None or other.name is None or self.name.lower() == other.name.lower())
        )

    def end_s(self, attempt: int) -> float:
        """Give until when answers belong to a sending: until the next."""
        return self.asked[attempt + 1].time_s if attempt + 1 < len(self.asked) else math.inf

    def reply(self, attempt: int) -> Reply | None:
        """Give the first answer that came after a sending and before the next."""
        begin_s, end_s = self.asked[attempt].time_s, self.end_s(attempt)
        return next((reply for reply in self.answered if begin_s <= reply.time_s < end_s), None)


@dataclass
class _Open:
    """A question that may be asked again, or answered."""

    told: Message
    asked: list[Ask] = field(default_factory=list)
    answered: list[Reply] = field(default_factory=list)

    def close(self) -> Question:
        return Question(self.told.dns_id, self.told.qtype, self.told.name, tuple(self.asked), tuple(self.answered))


class _Book:
    """Puts sendings and answers to their questions."""

    def __init__(self) -> None:
        self._open: dict[int, list[_Open]] = defaultdict(list)
        self._closed: list[_Open] = []
        self._on: dict[object, list[_Open]] = defaultdict(list)

    def ask(self, told: Message, ask: Ask, *, merges: bool) -> None:
        known = self._find(told)
        if known is None or ask.time_s - known.asked[-1].time_s > FORGOTTEN_S:
            known = _Open(told)
            self._open[told.dns_id].append(known)
            self._closed.append(known)
        last = known.asked[-1] if known.asked else None
        if merges and last is not None and ask.time_s - last.time_s <= SAME_S:
            known.asked[-1] = replace(last, sockets=last.sockets | ask.sockets, ways=last.ways | ask.ways)
        else:
            known.asked.append(ask)
        for socket in ask.sockets:
            self._on[socket] = [other for other in self._on[socket] if other is not known] + [known]

    def answer(self, told: Message, reply: Reply) -> None:
        known = self._find(told)
        if known is not None and (not known.answered or reply.time_s - known.answered[-1].time_s > SAME_S):
            known.answered.append(reply)

    def waited(self, socket: object, time_s: float) -> None:
        """Note that whatever was asked on a socket and not answered so far was waited for in vain."""
        for known in self._on[socket]:
            last = known.asked[-1]
            answered = known.answered and known.answered[-1].time_s >= last.time_s
            if not answered and last.time_s <= time_s:
                known.asked[-1] = replace(last, waited_s=time_s)

    def questions(self) -> tuple[Question, ...]:
        return tuple(known.close() for known in self._closed)

    def _find(self, told: Message) -> _Open | None:
        candidates = self._open[told.dns_id]
        return next((known for known in reversed(candidates) if _matches(known.told, told)), None)


def _matches(one: Message, other: Message) -> bool:
    return all(None in pair or pair[0] == pair[1] for pair in ((one.qtype, other.qtype), (_name(one), _name(other))))


def _name(told: Message) -> str | None:
    """Names are the same in whatever case; some resolvers vary it on purpose."""
    return told.name.lower() if told.name else told.name


def of_calls(calls: Calls) -> tuple[Question, ...]:
    """Give the questions of an strace."""
    book = _Book()
    for event in calls.events:
        place = calls.place(event.line)
        if event.kind == "timed_out" and event.timeout_s:
            book.waited(event.socket, event.time_s)
        if event.message is None:
            continue
        if event.kind == "sent" and not event.message.is_answer:
            ask = Ask(
                event.time_s,
                place,
                event.server,
                frozenset({event.socket}),
                event.protocol,
                refused=event.refused,
                port=event.local_port,
            )
            book.ask(event.message, ask, merges=False)
        elif event.kind == "read" and event.message.is_answer:
            book.answer(event.message, Reply(event.time_s, place, event.message.rcode))
    return book.questions()


def of_capture(capture: Capture) -> tuple[Question, ...]:
    """Give the questions of a capture."""
    book = _Book()
    for packet in sorted(capture.packets, key=lambda packet: packet.time_s):
        told = packet.message
        if told is None:
            continue
        flow = packet.flow
        name = told.name or "a name that is cut off"
        what = f"answer {told.rcode} to {told.qtype} {name}" if told.is_answer else f"query {told.qtype} {name}"
        text = f"{flow.src}.{flow.sport} > {flow.dst}.{flow.dport}: {told.dns_id} {what}"
        place = Place(capture.name, None, packet.number, text)
        if told.is_answer:
            book.answer(told, Reply(packet.time_s, place, told.rcode))
        else:
            ways = frozenset() if packet.outgoing is None else frozenset({packet.outgoing})
            socket = frozenset({(flow.src, flow.sport)})
            ask = Ask(packet.time_s, place, flow.dst, socket, packet.protocol, ways, ttl=packet.ttl, port=flow.sport)
            book.ask(told, ask, merges=True)
    return book.questions()


@dataclass(frozen=True)
class Lookup:
    """Questions that one resolver asked for one name, from one socket at least in part.

    Attributes:
        source: The file that shows it.
        questions: In the order in which they were first asked.
    """

    source: str
    questions: tuple[Question, ...]

    @property
    def start_s(self) -> float:
        """When the first was asked."""
        return self.questions[0].asked[0].time_s

    @property
    def name(self) -> str:
        """Give the name that is looked up, for people."""
        return next((question.name for question in self.questions if question.name), "a name that is cut off")


def lookups(source: str, questions: Iterable[Question]) -> tuple[Lookup, ...]:
    """Put questions together that share a socket and a name, and were asked within a minute of each other."""
    groups: list[list[Question]] = []
    by_socket: dict[object, list[list[Question]]] = defaultdict(list)
    for question in sorted(questions, key=lambda question: question.asked[0].time_s):
        group = next(_joinable(question, by_socket), None)
        if group is None:
            group = []
            groups.append(group)
        group.append(question)
        for socket in _sockets(question):
            if not any(group is known for known in by_socket[socket]):
                by_socket[socket].append(group)
    return tuple(Lookup(source, tuple(group)) for group in groups)


def _joinable(question: Question, by_socket: dict[object, list[list[Question]]]) -> Iterator[list[Question]]:
    for socket in _sockets(question):
        for group in reversed(by_socket.get(socket, [])):
            recent = question.asked[0].time_s - group[-1].asked[0].time_s <= FORGOTTEN_S
            if recent and (group[0].name or "").lower() == (question.name or "").lower():
                yield group


def _sockets(question: Question) -> frozenset[object]:
    return frozenset().union(*(ask.sockets for ask in question.asked))
