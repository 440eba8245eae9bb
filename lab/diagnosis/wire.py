"""What became of each question by captures alone, and how a capture is put beside an strace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lab.diagnosis import clocks
from lab.diagnosis.fates import (
    RETRY_S,
    SLOW_S,
    Fate,
    Fated,
    is_answered_each_time,
    is_lost_inside,
    of_ask,
)
from lab.diagnosis.material import Capture, Place
from lab.diagnosis.questions import Ask, Lookup, Question, lookups, of_capture

WAITS_S = (2.5, 5.0)
"""After how long resolvers ask again that do not ask all again: musl (res_msend.c: timeout / attempts); c-ares."""
_EARLY_S, _LATE_S = 0.05, 0.25
"""Timers are not early, and on a busy machine late."""


@dataclass(frozen=True)
class Wire:
    """A capture with its questions.

    Attributes:
        capture: The capture.
        questions: All of them.
        by_id: The same by their DNS id.
        ahead_s: By how much its clock is ahead of the strace's beside it, in seconds; None when the two have no
            question in common.
        same_clock: Whether both are told by CLOCK_REALTIME.
    """

    capture: Capture
    questions: tuple[Question, ...]
    by_id: dict[int, tuple[Question, ...]]
    ahead_s: float | None = None
    same_clock: bool = False

    def same(self, question: Question) -> Question | None:
        """Give the same question as this capture has it, the nearest in time if an id came again."""
        found = [other for other in self.by_id.get(question.dns_id, ()) if other.is_same(question)]
        ahead_s = self.ahead_s or 0.0
        return min(
            found, key=lambda other: abs(other.asked[0].time_s - question.asked[0].time_s - ahead_s), default=None
        )

    def beside(self, lookup: Lookup) -> tuple[Question, ...]:
        """Give the questions of a lookup as this capture has them."""
        return tuple(same for question in lookup.questions if (same := self.same(question)) is not None)


def put_beside(capture: Capture, questions: Sequence[Question] = (), *, same_clock: bool = False) -> Wire:
    """Read a capture's questions, and put its clock beside that of an strace by the questions that both have.

    Args:
        capture: The capture.
        questions: Those of the strace.
        same_clock: Whether that has times of CLOCK_REALTIME, as captures do.
    """
    asked = of_capture(capture)
    by_id: dict[int, tuple[Question, ...]] = {}
    for question in asked:
        by_id[question.dns_id] = (*by_id.get(question.dns_id, ()), question)
    found = Wire(capture, asked, by_id, same_clock=same_clock)
    pairs = [(question, same) for question in questions if (same := found.same(question)) is not None]
    return replace(found, ahead_s=clocks.ahead_s(pairs, same_clock=same_clock))


def of_wire(where: Wire, others: Iterable[Wire] = ()) -> tuple[tuple[Lookup, tuple[Fated, ...]], ...]:
    """Give the lookups of a capture, with their fates as far as captures alone tell them.

    Args:
        where: The capture.
        others: Captures made elsewhere at the same time.
    """
    found = lookups(where.capture.name, where.questions)
    return tuple(
        (lookup, tuple(_by_wires(question, lookup, where, others) for question in lookup.questions)) for lookup in found
    )


def _by_wires(question: Question, lookup: Lookup, where: Wire, others: Iterable[Wire]) -> Fated:
    """Give a fate by one capture, unless what it misses was seen elsewhere: then it was lost in between."""
    found = _by_wire(question, lookup, where.capture)
    if found.fate is not Fate.NOT_ON_WIRE or not found.inferred:
        return found
    for other in others:
        same = other.same(question)
        if same is not None and len(same.asked) > len(question.asked):
            return replace(found, fate=Fate.NO_ANSWER, places=(same.asked[0].place, *found.places), inferred=False)
    return found


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
    forwarded = is_lost_inside(question, lookup.questions) and fate is Fate.NO_ANSWER
    if forwarded:
        fate = Fate.NOT_ON_WIRE
    elif fate is Fate.ANSWERED and last and not _explains_again(question, lookup):
        again_s = question.asked[1].time_s
        # Of one that is alone the other may come a moment later, for whose sake it was asked again.
        followed = len(lookup.questions) > 1 or capture.last_s - again_s >= SLOW_S
        fate = Fate.NOT_READ if followed else Fate.UNKNOWN
        places, took_s = (*places, question.asked[1].place), again_s - first.time_s
    return Fated(question, fate, (first.place, *places), took_s, again=again, forwarded=forwarded)


def _wire_fate(question: Question, attempt: int, capture: Capture) -> tuple[Fate, tuple[Place, ...], float | None]:
    """Give the fate of one sending that was captured; the last must have been followed for a while."""
    fate, places, took_s = of_ask(question, attempt)
    if fate is Fate.UNANSWERED or (fate is Fate.UNKNOWN and attempt + 1 == len(question.asked)):
        waited_s = capture.last_s - question.asked[attempt].time_s
        fate = Fate.NO_ANSWER if fate is Fate.UNANSWERED or waited_s >= SLOW_S else Fate.UNKNOWN
    # Answers to a first sending may come after the second: of two, the first one was late.
    if fate is Fate.NO_ANSWER and attempt == 0 and is_answered_each_time(question):
        reply = question.answered[-1]
        return Fate.LATE, (reply.place,), reply.time_s - question.asked[0].time_s
    return fate, places, took_s


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
        if again or any(-_EARLY_S <= waited_s - wait_s <= _LATE_S for wait_s in WAITS_S):
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
