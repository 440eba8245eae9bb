"""Groups attempts and answers from a trace or a capture by question."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeVar

from lab.diagnosis.material import Calls, Capture, Citation
from lab.diagnosis.questions import FORGOTTEN_S, Attempt, Hop, Question, Reply
from lab.evidence.capture import WirePacket
from lab.evidence.message import Message

T = TypeVar("T")

SAME_S = 0.3
"""A query seen again within this time is the same packet on another interface (`-i any`, a bridge, both sides of a
router): no resolver retries so soon (resolv.h: RES_TIMEOUT 5 s, at least 1 s; musl 2.5 s)."""

ON_SOCKET_MAX = 100
"""Most questions remembered for one socket; no resolver waits for more."""


@dataclass(slots=True)
class _OpenQuestion:
    """A question that may still be retried or answered."""

    message: Message
    asked: list[Attempt] = field(default_factory=list)
    answered: list[Reply] = field(default_factory=list)

    def close(self) -> Question:
        return Question(
            self.message.dns_id, self.message.qtype, self.message.name, tuple(self.asked), tuple(self.answered)
        )


class _Book:
    """Groups attempts and answers by question."""

    def __init__(self) -> None:
        self._open: dict[int, list[_OpenQuestion]] = defaultdict(list)
        self._closed: list[_OpenQuestion] = []
        self._on: dict[object, list[_OpenQuestion]] = defaultdict(list)

    def ask(self, message: Message, ask: Attempt, *, merges: bool) -> None:
        known = self._find(message)
        if known is None or ask.time_s - known.asked[-1].time_s > FORGOTTEN_S:
            known = _OpenQuestion(message)
            self._open[message.dns_id].append(known)
            self._closed.append(known)
        last = known.asked[-1] if known.asked else None
        if merges and last is not None and ask.time_s - last.time_s <= SAME_S:
            sockets, ways = last.sockets | ask.sockets, last.ways | ask.ways
            known.asked[-1] = replace(last, sockets=sockets, ways=ways, hops=last.hops + ask.hops)
        else:
            known.asked.append(ask)
        if not merges:  # only a trace shows waits
            for socket in ask.sockets:
                recent = [other for other in self._on[socket][-ON_SOCKET_MAX:] if other is not known]
                self._on[socket] = [*recent, known]

    def answer(self, message: Message, reply: Reply) -> None:
        known = self._find(message)
        if known is None:
            return
        last = known.answered[-1] if known.answered else None
        if last is None or reply.time_s - last.time_s > SAME_S:
            known.answered.append(replace(reply, attempt=max(len(known.asked) - 1, 0)))
        else:
            known.answered[-1] = replace(last, senders=last.senders | reply.senders)

    def waited(self, socket: object, time_s: float, timeout_s: float) -> None:
        """Record that waiting on a socket timed out for every question that was not answered by then.

        Args:
            socket: The socket.
            time_s: When the wait ended, if strace records it; else when it began.
            timeout_s: How long the wait was.
        """
        for known in self._on[socket]:
            last = known.asked[-1]
            answered = known.answered and known.answered[-1].time_s >= last.time_s
            if not answered and last.time_s <= time_s:
                ended_s = time_s if time_s - last.time_s >= timeout_s else time_s + timeout_s
                known.asked[-1] = replace(last, waited_s=ended_s)

    def questions(self) -> tuple[Question, ...]:
        return tuple(known.close() for known in self._closed)

    def _find(self, message: Message) -> _OpenQuestion | None:
        candidates = self._open[message.dns_id]
        return next((known for known in reversed(candidates) if _matches(known.message, message)), None)


def _matches(one: Message, other: Message) -> bool:
    return all(None in pair or pair[0] == pair[1] for pair in ((one.qtype, other.qtype), (_name(one), _name(other))))


def _name(message: Message) -> str | None:
    """Return a name in lower case: DNS names ignore case, and some resolvers vary it on purpose."""
    return message.name.lower() if message.name else message.name


def read_calls(calls: Calls) -> tuple[Question, ...]:
    """Return the questions in an strace."""
    book = _Book()
    for event in calls.events:
        place = calls.place(event.line)
        if event.kind == "timed_out" and event.timeout_s:
            book.waited(event.socket, event.time_s, event.timeout_s)
        if event.message is None:
            continue
        if event.kind == "sent" and not event.message.is_answer:
            ask = Attempt(
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
    return _link_renewals(book.questions())


def _link_renewals(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """Link each unanswered question to its retry under another DNS id.

    A trace without any answer does not show that one was missing.
    """
    if not any(question.answered for question in questions):
        return questions
    alike: dict[tuple[str, str], list[Question]] = defaultdict(list)
    for question in questions:
        if question.name and question.qtype:
            alike[question.name.lower(), question.qtype].append(question)
    return tuple(_link_renewal(question, alike) for question in questions)


def _link_renewal(question: Question, alike: Mapping[tuple[str, str], Sequence[Question]]) -> Question:
    if question.answered or not question.name or not question.qtype:
        return question
    since_s = question.asked[-1].time_s
    others = alike[question.name.lower(), question.qtype]
    at = bisect_right(others, since_s, key=lambda other: other.asked[0].time_s)
    if at == len(others) or others[at].asked[0].time_s - since_s > FORGOTTEN_S:
        return question
    return replace(question, renewed=others[at].asked[0], renewed_answered=bool(others[at].answered))


def read_capture(capture: Capture) -> tuple[Question, ...]:
    """Return the questions in a capture."""
    book = _Book()
    for packet in sorted(capture.packets, key=lambda packet: packet.time_s):
        message = packet.message
        if message is None:
            continue
        flow = packet.flow
        name = message.name or "a name that is cut off"
        what = (
            f"answer {message.rcode} to {message.qtype} {name}"
            if message.is_answer
            else f"query {message.qtype} {name}"
        )
        text = f"{flow.src}.{flow.sport} > {flow.dst}.{flow.dport}: {message.dns_id} {what}"
        place = capture.place(packet.number, text)
        if message.is_answer:
            book.answer(message, Reply(packet.time_s, place, message.rcode, _intern_set(flow.src)))
        else:
            book.ask(message, _make_ask(packet, place), merges=True)
    return book.questions()


@lru_cache(maxsize=4096)
def _intern_set(value: T) -> frozenset[T]:
    """Return a one-element set, cached by value: a capture needs hundreds of thousands of them."""
    return frozenset({value})


def _make_ask(packet: WirePacket, place: Citation) -> Attempt:
    """Return the attempt for a captured query."""
    flow = packet.flow
    return Attempt(
        packet.time_s,
        place,
        flow.dst,
        _intern_set((flow.src, flow.sport)),
        packet.protocol,
        frozenset() if packet.outgoing is None else _intern_set(packet.outgoing),
        ttl=packet.ttl,
        port=flow.sport,
        client=flow.src,
        hops=(Hop(flow.dst, packet.interface, packet.outgoing, place),),
    )
