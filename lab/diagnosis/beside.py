"""Fates of the questions in an strace, combined with captures made at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lab.diagnosis import routes
from lab.diagnosis.book import SAME_S
from lab.diagnosis.fates import (
    RETRY_S,
    SLOW_S,
    Beyond,
    Fate,
    Fated,
    is_answered_each_time,
    is_lost_inside,
    judge_attempt,
    judge_later_attempts,
)
from lab.diagnosis.material import Citation
from lab.diagnosis.questions import Attempt, Lookup, Question
from lab.diagnosis.wire import Wire


def judge_calls(lookup: Lookup, wires: Iterable[Wire]) -> tuple[Fated, ...]:
    """Return the fate of each question of a lookup in an strace, using captures of the same traffic."""
    beside = [each for each in wires if each.ahead_s is not None]
    return tuple(_judge_question(question, lookup, beside) for question in lookup.questions)


def _judge_question(question: Question, lookup: Lookup, wires: Sequence[Wire]) -> Fated:
    first, last = question.asked[0], len(question.asked) - 1
    fate, places, took_s = judge_attempt(question, 0)
    later = [judge_attempt(question, attempt)[0] for attempt in range(1, last + 1)]
    again = judge_later_attempts([*later, Fate.ANSWERED] if question.renewed_answered else later)
    fated = Fated(question, fate, (first.place, *places), took_s, again=again)
    seen = (
        [shown for each in wires if (shown := _look_on_wire(question, lookup, each))] if fate is Fate.UNANSWERED else []
    )
    if not seen:
        return fated
    furthest = _select_furthest(seen)
    return replace(
        fated,
        fate=furthest.fate,
        places=(*fated.places, *furthest.places),
        forwarded=furthest.forwarded,
        came_later=furthest.came_later,
        beyond=_beyond(seen, furthest),
        astray=furthest.astray,
    )


def _select_furthest(seen: Sequence[_WireSighting]) -> _WireSighting:
    """Return what the capture shows that saw the query furthest: on the wire in one means on the wire."""
    order = (Fate.LATE, Fate.NOT_READ, Fate.NO_ANSWER, Fate.NOT_ON_WIRE)
    return min(seen, key=lambda each: (order.index(each.fate), each.astray is None))


def _beyond(seen: Sequence[_WireSighting], furthest: _WireSighting) -> Beyond | None:
    """Return what the other captures show of a query that was on the wire in one of them."""
    others = [each for each in seen if each is not furthest]
    if furthest.fate is not Fate.NO_ANSWER or not others:
        return None
    arrived = [each for each in others if each.fate is Fate.NO_ANSWER]
    if arrived:
        return Beyond.ARRIVED if all(each.servers & furthest.servers for each in arrived) else Beyond.PASSED
    return Beyond.LOST if any(each.servers & furthest.servers for each in others) else Beyond.TRANSLATED


@dataclass(frozen=True)
class _WireSighting:
    """What a capture shows of one attempt."""

    fate: Fate
    places: tuple[Citation, ...]
    forwarded: bool = False
    came_later: bool = False
    servers: frozenset[str] = frozenset()
    astray: str | None = None


def _look_on_wire(question: Question, lookup: Lookup, where: Wire) -> _WireSighting | None:
    """Return what a capture shows of an unanswered first attempt; None when its absence there proves nothing."""
    ahead_s = where.ahead_s or 0.0
    first = question.asked[0]
    begin_s = first.time_s + ahead_s
    # Without a retry the trace may have ended before it: use the wait that the trace shows.
    end_s = (question.end_s(0) if len(question.asked) > 1 else first.waited_s or first.time_s) + ahead_s
    if end_s - begin_s < RETRY_S:
        return None
    same = where.same(question)
    asks = [ask for ask in same.asked if begin_s - SAME_S < ask.time_s < end_s - SAME_S] if same else []
    if same is not None and asks:
        return _judge_from_capture(same, asks[0], end_s, where.beside(lookup))
    partner = _find_running_capture(lookup, question, where)
    if partner is None or where.capture.last_s < begin_s + SLOW_S:
        return None
    later = [ask.place for ask in same.asked if ask.time_s >= end_s - SAME_S] if same else []
    return _WireSighting(Fate.NOT_ON_WIRE, (partner.place, *later[:1]), came_later=bool(later), servers=partner.servers)


def _judge_from_capture(same: Question, ask: Attempt, end_s: float, beside: Sequence[Question]) -> _WireSighting:
    """Return the fate of an attempt from the point of capture on."""
    if ask is same.asked[0] and is_lost_inside(same, beside):
        return _WireSighting(Fate.NOT_ON_WIRE, (ask.place,), forwarded=True)
    reply = next((reply for reply in same.answered if reply.time_s >= ask.time_s), None)
    if reply is not None and reply.time_s < end_s - SAME_S:
        late = reply.time_s - ask.time_s >= SLOW_S
        return _WireSighting(Fate.LATE if late else Fate.NOT_READ, (ask.place, reply.place))
    if is_answered_each_time(same):
        return _WireSighting(Fate.LATE, (ask.place, same.answered[-1].place))
    way = routes.find_astray(same, beside) if ask is same.asked[0] else None
    words, places = way or (None, ())
    return _WireSighting(Fate.NO_ANSWER, (ask.place, *places), servers=ask.servers, astray=words)


def _find_running_capture(lookup: Lookup, question: Question, where: Wire) -> Attempt | None:
    """Return a packet showing that a capture was running when a question absent from it was first sent.

    It is another question of the same lookup, sent at the same time; or, where all of them are missing, the question's
    own retry, if any frame was captured before its first attempt.
    """
    begin_s = question.asked[0].time_s + (where.ahead_s or 0.0)
    for other in lookup.questions:
        same = where.same(other) if other is not question else None
        for ask in same.asked if same else ():
            if abs(ask.time_s - begin_s) < RETRY_S / 2:
                return ask
    own = where.same(question)
    if own and where.capture.first_s < begin_s - SAME_S:
        return own.asked[0]
    return None
