"""What became of each question of an strace, with captures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.diagnosis.fates import (
    RETRY_S,
    SLOW_S,
    Fate,
    Fated,
    is_answered_each_time,
    is_lost_inside,
    of_ask,
)
from lab.diagnosis.material import Place
from lab.diagnosis.questions import SAME_S, Ask, Lookup, Question
from lab.diagnosis.wire import Wire


def of_calls(lookup: Lookup, wires: Iterable[Wire]) -> tuple[Fated, ...]:
    """Give the fates of a lookup in an strace, with what captures beside it show of it."""
    beside = [each for each in wires if each.ahead_s is not None]
    return tuple(_by_calls(question, lookup, beside) for question in lookup.questions)


def _by_calls(question: Question, lookup: Lookup, wires: Sequence[Wire]) -> Fated:
    first, last = question.asked[0], len(question.asked) - 1
    fate, places, took_s = of_ask(question, 0)
    forwarded = False
    if fate is Fate.UNANSWERED:
        seen = [told for each in wires if (told := _on_wire(question, lookup, each))]
        if seen:
            furthest = _furthest(seen)
            fate, forwarded = furthest.fate, furthest.forwarded
            places = (*places, *furthest.places)
    again = of_ask(question, last)[0] if last else None
    return Fated(question, fate, (first.place, *places), took_s, again=again, forwarded=forwarded)


def _furthest(seen: Sequence[_Seen]) -> _Seen:
    """Of several captures the one counts that saw it furthest: on the wire in one is on the wire."""
    order = (Fate.LATE, Fate.NOT_READ, Fate.NO_ANSWER, Fate.NOT_ON_WIRE)
    return min(seen, key=lambda told: order.index(told.fate))


@dataclass(frozen=True)
class _Seen:
    """What a capture shows of one sending."""

    fate: Fate
    places: tuple[Place, ...]
    forwarded: bool = False


def _on_wire(question: Question, lookup: Lookup, where: Wire) -> _Seen | None:
    """Give what a capture shows of a first sending that was not answered; None when its silence proves nothing."""
    ahead_s = where.ahead_s or 0.0
    first = question.asked[0]
    begin_s = first.time_s + ahead_s
    # Where it is not asked again, the trace may end before that: the wait is as long as it is seen to be.
    end_s = (question.end_s(0) if len(question.asked) > 1 else first.waited_s or first.time_s) + ahead_s
    if end_s - begin_s < RETRY_S:
        return None
    same = where.same(question)
    asks = [ask for ask in same.asked if begin_s - SAME_S < ask.time_s < end_s - SAME_S] if same else []
    if same is not None and asks:
        return _from(same, asks[0], end_s, where.beside(lookup))
    partner = _seen_beside(lookup, question, where)
    if partner is None or where.capture.last_s < begin_s + SLOW_S:
        return None
    later = [ask.place for ask in same.asked if ask.time_s >= end_s - SAME_S] if same else []
    return _Seen(Fate.NOT_ON_WIRE, (partner, *later[:1]))


def _from(same: Question, ask: Ask, end_s: float, beside: Sequence[Question]) -> _Seen:
    """Give what became of a sending from where it was captured on."""
    if ask is same.asked[0] and is_lost_inside(same, beside):
        return _Seen(Fate.NOT_ON_WIRE, (ask.place,), forwarded=True)
    reply = next((reply for reply in same.answered if reply.time_s >= ask.time_s), None)
    if reply is not None and reply.time_s < end_s - SAME_S:
        late = reply.time_s - ask.time_s >= SLOW_S
        return _Seen(Fate.LATE if late else Fate.NOT_READ, (ask.place, reply.place))
    if is_answered_each_time(same):
        return _Seen(Fate.LATE, (ask.place, same.answered[-1].place))
    return _Seen(Fate.NO_ANSWER, (ask.place,))


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
