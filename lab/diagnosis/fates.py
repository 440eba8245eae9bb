"""What became of each question of a lookup the first time it was asked, by all that was brought."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lab.diagnosis.material import Capture, Place
from lab.diagnosis.questions import SAME_S, Ask, Lookup, Question, lookups, of_capture

RETRY_S = 0.9
"""A resolver that waited in vain waited at least so long: `timeout:1` is the least of glibc's (resolv.conf(5))."""

SLOW_S = 1.0
"""An answer that takes so long is late; one from the same town takes milliseconds, from anywhere some tenths."""

WAITS_S = (2.5, 5.0)
"""After how long resolvers ask again that do not ask all again: musl (res_msend.c: timeout / attempts); c-ares."""
_NEAR = 0.15


class Fate(StrEnum):
    """What became of a question the first time it was asked."""

    ANSWERED = "answered"
    LATE = "answered late"
    REFUSED = "dropped while it was being sent"
    NOT_ON_WIRE = "never on the wire"
    NO_ANSWER = "on the wire, and not answered"
    NOT_READ = "answered on the wire, and the answer not read"
    UNANSWERED = "sent, and not answered"
    """Nobody looked at the wire."""
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Fated:
    """A question with its fate.

    Attributes:
        question: The question, as the source tells it that knows most: an strace if there is one.
        fate: What became of its first sending.
        places: The lines and packets that say so.
        took_s: How long the answer took, or the resolver waited for one, in seconds; None when neither is known.
        inferred: Whether its first sending is not seen, but follows from when it was asked again.
        again: Likewise what became of its last sending; None when it was asked only once.
        forwarded: Whether it was lost between two interfaces of the machine that captured it.
    """

    question: Question
    fate: Fate
    places: tuple[Place, ...]
    took_s: float | None = None
    inferred: bool = False
    again: Fate | None = None
    forwarded: bool = False


@dataclass(frozen=True)
class Wire:
    """A capture with its questions.

    Attributes:
        capture: The capture.
        questions: All of them.
        by_id: The same by their DNS id.
        ahead_s: By how much its clock is ahead of the strace's beside it, in seconds; None when the two have no
            question in common.
    """

    capture: Capture
    questions: tuple[Question, ...]
    by_id: dict[int, tuple[Question, ...]]
    ahead_s: float | None = None

    def same(self, question: Question) -> Question | None:
        """Give the same question as this capture has it, the nearest in time if an id came again."""
        found = [other for other in self.by_id.get(question.dns_id, ()) if other.is_same(question)]
        ahead_s = self.ahead_s or 0.0
        return min(
            found, key=lambda other: abs(other.asked[0].time_s - question.asked[0].time_s - ahead_s), default=None
        )


def wire(capture: Capture, beside: Sequence[Question] = ()) -> Wire:
    """Read a capture's questions, and put its clock beside that of an strace by the questions that both have."""
    questions = of_capture(capture)
    by_id: dict[int, tuple[Question, ...]] = {}
    for question in questions:
        by_id[question.dns_id] = (*by_id.get(question.dns_id, ()), question)
    found = Wire(capture, questions, by_id)
    ahead_s = [
        # The last sending is the one that arrived: where a first was lost, it is the first that has no counterpart.
        same.asked[-1].time_s - question.asked[-1].time_s
        for question in beside
        if (same := found.same(question)) is not None
    ]
    return Wire(capture, questions, by_id, statistics.median(ahead_s) if ahead_s else None)


def of_calls(lookup: Lookup, wires: Iterable[Wire]) -> tuple[Fated, ...]:
    """Give the fates of a lookup in an strace, with what captures beside it show of it."""
    beside = [each for each in wires if each.ahead_s is not None]
    return tuple(_by_calls(question, lookup, beside) for question in lookup.questions)


def _by_calls(question: Question, lookup: Lookup, wires: Sequence[Wire]) -> Fated:
    first, last = question.asked[0], len(question.asked) - 1
    fate, places, took_s = _of_ask(question, 0)
    if fate is Fate.UNANSWERED:
        seen = [told for each in wires if (told := _on_wire(question, lookup, each))]
        fate, more = _best(seen) if seen else (fate, ())
        places = (*places, *more)
    again = _of_ask(question, last)[0] if last else None
    return Fated(question, fate, (first.place, *places), took_s, again=again)


def _of_ask(question: Question, attempt: int) -> tuple[Fate, tuple[Place, ...], float | None]:
    """Give the fate of one sending by the source that tells of it alone."""
    ask, reply = question.asked[attempt], question.reply(attempt)
    if ask.refused:
        return Fate.REFUSED, (), None
    if reply is not None:
        took_s = reply.time_s - ask.time_s
        return (Fate.LATE if took_s >= SLOW_S else Fate.ANSWERED), (reply.place,), took_s
    if attempt + 1 < len(question.asked):
        again = question.asked[attempt + 1]
        took_s = again.time_s - ask.time_s
        # Asked again at once, of another server most likely, tells of no wait.
        return (Fate.UNANSWERED if took_s >= RETRY_S or ask.waited else Fate.UNKNOWN), (again.place,), took_s
    return (Fate.UNANSWERED if ask.waited else Fate.UNKNOWN), (), None


def _best(seen: Sequence[tuple[Fate, tuple[Place, ...]]]) -> tuple[Fate, tuple[Place, ...]]:
    """Of several captures the one counts that saw it furthest: on the wire in one is on the wire."""
    order = (Fate.LATE, Fate.NOT_READ, Fate.NO_ANSWER, Fate.NOT_ON_WIRE)
    return min(seen, key=lambda told: order.index(told[0]))


def _on_wire(question: Question, lookup: Lookup, where: Wire) -> tuple[Fate, tuple[Place, ...]] | None:
    """Give what a capture shows of a first sending that was not answered; None when its silence proves nothing."""
    ahead_s = where.ahead_s or 0.0
    begin_s = question.asked[0].time_s + ahead_s
    end_s = question.end_s(0) + ahead_s
    if end_s - begin_s < RETRY_S:
        return None
    same = where.same(question)
    asks = [ask for ask in same.asked if begin_s - SAME_S < ask.time_s < end_s - SAME_S] if same else []
    if same is None or not asks:
        partner = _seen_beside(lookup, question, where)
        if partner is None or where.capture.last_s < begin_s + SLOW_S:
            return None
        later = [ask.place for ask in same.asked if ask.time_s >= end_s - SAME_S] if same else []
        return Fate.NOT_ON_WIRE, (partner, *later[:1])
    reply = next((reply for reply in same.answered if reply.time_s >= asks[0].time_s), None)
    if reply is not None and reply.time_s < end_s - SAME_S:
        late = reply.time_s - asks[0].time_s >= SLOW_S
        return (Fate.LATE if late else Fate.NOT_READ), (asks[0].place, reply.place)
    if _is_answered_each_time(same):
        return Fate.LATE, (asks[0].place, same.answered[-1].place)
    return Fate.NO_ANSWER, (asks[0].place,)


def _seen_beside(lookup: Lookup, question: Question, where: Wire) -> Place | None:
    """Give what shows that a capture was at work when a question was first sent that it does not have.

    That is another question of the same lookup, sent at the same time; or, where all of them are missing, any frame
    before and one of the same lookup later.
    """
    begin_s = question.asked[0].time_s + (where.ahead_s or 0.0)
    for other in lookup.questions:
        same = where.same(other) if other is not question else None
        for ask in same.asked if same else ():
            if abs(ask.time_s - begin_s) < RETRY_S / 2:
                return ask.place
    own = where.same(question)
    if own and where.capture.first_s < begin_s - SAME_S:
        return own.asked[0].place
    return None


def of_wire(where: Wire) -> tuple[tuple[Lookup, tuple[Fated, ...]], ...]:
    """Give the lookups of a capture, with their fates as far as a capture alone tells them."""
    found = lookups(where.capture.name, where.questions)
    return tuple(
        (lookup, tuple(_by_wire(question, lookup, where.capture) for question in lookup.questions)) for lookup in found
    )


def _by_wire(question: Question, lookup: Lookup, capture: Capture) -> Fated:
    first, last = question.asked[0], len(question.asked) - 1
    again = _wire_fate(question, last, capture)[0] if last else None
    missing = _missing_before(question, lookup)
    if missing is not None:
        places, waited_s = missing
        return Fated(
            question, Fate.NOT_ON_WIRE, places, waited_s, inferred=True, again=_wire_fate(question, 0, capture)[0]
        )
    fate, places, took_s = _wire_fate(question, 0, capture)
    forwarded = _is_lost_inside(question, lookup) and fate is Fate.NO_ANSWER
    if forwarded:
        fate = Fate.NOT_ON_WIRE
    elif fate is Fate.ANSWERED and last and not _explains_again(question, lookup):
        fate, places = Fate.NOT_READ, (*places, question.asked[1].place)
        took_s = question.asked[1].time_s - first.time_s
    return Fated(question, fate, (first.place, *places), took_s, again=again, forwarded=forwarded)


def _wire_fate(question: Question, attempt: int, capture: Capture) -> tuple[Fate, tuple[Place, ...], float | None]:
    """Give the fate of one sending that was captured; the last must have been followed for a while."""
    fate, places, took_s = _of_ask(question, attempt)
    if fate is Fate.UNANSWERED or (fate is Fate.UNKNOWN and attempt + 1 == len(question.asked)):
        waited_s = capture.last_s - question.asked[attempt].time_s
        fate = Fate.NO_ANSWER if fate is Fate.UNANSWERED or waited_s >= SLOW_S else Fate.UNKNOWN
    # Answers to a first sending may come after the second: of two, the first one was late.
    if fate is Fate.NO_ANSWER and attempt == 0 and _is_answered_each_time(question):
        reply = question.answered[-1]
        return Fate.LATE, (reply.place,), reply.time_s - question.asked[0].time_s
    return fate, places, took_s


def _is_answered_each_time(question: Question) -> bool:
    """Tell whether there are as many answers as sendings: then none was lost, whatever they were late."""
    return 1 < len(question.asked) <= len(question.answered)


def _missing_before(question: Question, lookup: Lookup) -> tuple[tuple[Place, ...], float] | None:
    """Tell whether a question must have been sent before it is first seen, together with another of its lookup.

    glibc, which got one answer of two, asks both again, one by one (res_send.c: RES_SNGLKUP): the one that was answered
    is asked again although it was, and the other one comes for the first time. Others ask for the missing one alone,
    from the same socket, when their wait is over. A program that asks one by one asks for the second as soon as it has
    the first answer, and from one socket nobody else asks for the same name.
    """
    first = question.asked[0]
    for other in lookup.questions:
        reply = other.reply(0) if other is not question and other.asked else None
        if (
            reply is None
            or not _shares_socket(other.asked[0], first)
            or "tcp" in {first.protocol, other.asked[0].protocol}
        ):
            continue
        start = other.asked[0]
        waited_s = first.time_s - start.time_s
        if first.time_s - reply.time_s < RETRY_S:
            continue
        again = [ask for ask in other.asked[1:] if abs(first.time_s - ask.time_s) <= SLOW_S]
        if again or any(abs(waited_s - wait_s) <= _NEAR * wait_s for wait_s in WAITS_S):
            return (start.place, reply.place, *(ask.place for ask in again[:1]), first.place), waited_s
    return None


def _shares_socket(one: Ask, other: Ask) -> bool:
    return bool(one.sockets & other.sockets)


def _explains_again(question: Question, lookup: Lookup) -> bool:
    """Tell whether it is for another question's sake that one was asked again which had been answered."""
    again_s = question.asked[1].time_s
    for other in lookup.questions:
        if other is question:
            continue
        near = any(abs(ask.time_s - again_s) <= SLOW_S for ask in other.asked)
        if near and other.reply(0) is None:
            return True
        if _missing_before(other, lookup) is not None:
            return True
    return question.asked[1].time_s - question.asked[0].time_s < RETRY_S or question.answered[0].rcode != "NOERROR"


def _is_lost_inside(question: Question, lookup: Lookup) -> bool:
    """Tell whether a machine received a question and did not send it on, though it did another of the same lookup."""
    if question.asked[0].ways != {False}:
        return False
    return any(other.asked[0].ways == {False, True} for other in lookup.questions if other is not question)
