"""Fates of questions from captures alone, and clock alignment of a capture with an strace."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lab.diagnosis import clocks, routes
from lab.diagnosis.book import read_capture
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
from lab.diagnosis.material import Capture, Citation
from lab.diagnosis.questions import Attempt, Lookup, Question, group_lookups
from lab.evidence.strace import TimestampKind

WAITS_S = (2.5, 5.0)
"""Timeouts of resolvers that retry only the missing query: musl (res_msend.c: timeout / attempts); c-ares."""
_GAP_FACTOR, _GAP_S = 3.0, 0.0002
"""Two queries sent together are tens of microseconds apart, in each attempt alike; an answer in between takes
longer."""

_EARLY_S, _LATE_S = 0.05, 0.25
"""Timers do not fire early, and fire late on a busy machine."""


_ONE_WAY = re.compile(r"\b(?:src|dst|inbound|outbound)\b|\[")
"""What lets a filter pass one direction only (pcap-filter(7))."""


@dataclass(frozen=True)
class Wire:
    """A capture with its questions.

    Attributes:
        capture: The capture.
        questions: Its questions.
        by_id: The questions by DNS id.
        ahead_s: By how many seconds its clock is ahead of the strace's; None when the two share no question.
        same_clock: Whether both use CLOCK_REALTIME.
        has_answers: Whether it would show answers: a filter such as `dst port 53` hides them.
    """

    capture: Capture
    questions: tuple[Question, ...]
    by_id: dict[int, tuple[Question, ...]]
    ahead_s: float | None = None
    same_clock: bool = False
    has_answers: bool = True

    def same(self, question: Question) -> Question | None:
        """Return this capture's view of a question, the nearest in time if its id was reused."""
        matches = [other for other in self.by_id.get(question.dns_id, ()) if other.is_same(question)]
        ahead_s = self.ahead_s or 0.0
        return min(
            matches, key=lambda other: abs(other.asked[0].time_s - question.asked[0].time_s - ahead_s), default=None
        )

    def beside(self, lookup: Lookup) -> tuple[Question, ...]:
        """Return this capture's view of the questions of a lookup."""
        return tuple(same for question in lookup.questions if (same := self.same(question)) is not None)


def align_capture(
    capture: Capture, questions: Sequence[Question] = (), clock: TimestampKind = TimestampKind.NONE
) -> Wire:
    """Read a capture's questions and align its clock with that of an strace by the questions that both contain.

    Args:
        capture: The capture.
        questions: The questions of the strace.
        clock: The clock of the strace's timestamps.
    """
    asked = read_capture(capture)
    by_id: dict[int, tuple[Question, ...]] = {}
    for question in asked:
        by_id[question.dns_id] = (*by_id.get(question.dns_id, ()), question)
    has_answers = _shows_answers(capture)
    step_s = clocks.step_s(clock, capture.clock)
    wire = Wire(capture, asked, by_id, same_clock=step_s == 0, has_answers=has_answers)
    pairs = [(question, same) for question in questions if (same := wire.same(question)) is not None]
    return replace(wire, ahead_s=clocks.ahead_s(pairs, step_s))


def _shows_answers(capture: Capture) -> bool:
    """Return whether a capture contains an answer, or records a filter that hides none."""
    passes = bool(capture.filtered) and not any(_ONE_WAY.search(each) for each in capture.filtered)
    return passes or any(packet.message is not None and packet.message.is_answer for packet in capture.packets)


def judge_wire(where: Wire, others: Iterable[Wire] = ()) -> tuple[tuple[Lookup, tuple[Fated, ...]], ...]:
    """Return the lookups of a capture with their fates, as far as captures alone show them.

    Args:
        where: The capture.
        others: Captures made elsewhere at the same time.
    """
    groups = group_lookups(where.capture.name, where.questions)
    return tuple(
        (lookup, tuple(_judge_by_wires(question, lookup, where, others) for question in lookup.questions))
        for lookup in groups
    )


def _judge_by_wires(question: Question, lookup: Lookup, where: Wire, others: Iterable[Wire]) -> Fated:
    """Return the fate by one capture; a query missing in it but seen in another was lost in between."""
    fated = _judge_by_wire(question, lookup, where)
    if fated.fate is Fate.NO_ANSWER:
        return _add_beyond(fated, lookup, others)
    if fated.fate is not Fate.NOT_ON_WIRE or not fated.inferred:
        return fated
    for other in others:
        same = other.same(question)
        if same is not None and len(same.asked) > len(question.asked):
            beyond = Beyond.LOST if same.asked[0].servers & question.asked[0].servers else Beyond.TRANSLATED
            places = (same.asked[0].place, *fated.places)
            return replace(fated, fate=Fate.NO_ANSWER, places=places, inferred=False, beyond=beyond)
    return fated


def _add_beyond(fated: Fated, lookup: Lookup, others: Iterable[Wire]) -> Fated:
    """Add what other captures show of an unanswered query of this capture."""
    for other in others:
        seen = look_beyond(fated.question, lookup, other)
        if seen is not None:
            what, place = seen
            return replace(fated, beyond=what, places=tuple(dict.fromkeys((*fated.places, place))))
    return fated


def look_beyond(question: Question, lookup: Lookup, where: Wire) -> tuple[Beyond, Citation] | None:
    """Return what a capture made elsewhere shows of a first attempt, judged by its sibling's presence there.

    None when it shows neither, or is not known to have been running at that time.
    """
    start_s = question.asked[0].time_s
    for other in lookup.questions:
        near = other is not question and abs(other.asked[0].time_s - start_s) < RETRY_S / 2
        partner = where.same(other) if near else None
        if partner is None or len(partner.asked) < len(other.asked):
            continue
        same = where.same(question)
        if same is not None and len(same.asked) >= len(question.asked):
            alike = same.asked[0].servers & question.asked[0].servers
            return (Beyond.ARRIVED if alike else Beyond.PASSED), same.asked[0].place
        alike = partner.asked[0].servers & other.asked[0].servers
        return (Beyond.LOST if alike else Beyond.TRANSLATED), partner.asked[0].place
    return None


def _judge_by_wire(question: Question, lookup: Lookup, where: Wire) -> Fated:
    first, last = question.asked[0], len(question.asked) - 1
    again = judge_later_attempts([_judge_attempt(question, attempt, where)[0] for attempt in range(1, last + 1)])
    missing = _find_missing_before(question, lookup)
    if missing is not None:
        places, waited_s = missing
        again = judge_later_attempts([_judge_attempt(question, attempt, where)[0] for attempt in range(last + 1)])
        return Fated(question, Fate.NOT_ON_WIRE, places, waited_s, inferred=True, again=again, came_later=True)
    fate, places, took_s = _judge_attempt(question, 0, where)
    fated = Fated(question, fate, (first.place, *places), took_s, again=again, came_later=bool(last))
    if fate is Fate.NO_ANSWER:
        silent = not where.has_answers
        hidden = silent and not _is_asked_again_together(lookup)
        return replace(_add_route(fated, lookup), silent=silent, hidden=hidden)
    if fate is Fate.ANSWERED and last and not _explains_again(question, lookup):
        again_s = question.asked[1].time_s
        # A single question may have been retried for another one whose packet is still to come.
        followed = len(lookup.questions) > 1 or where.capture.last_s - again_s >= SLOW_S
        followed = followed and find_first_seen_then(question, lookup) is None
        places = (*fated.places, question.asked[1].place)
        fate = Fate.NOT_READ if followed else Fate.ASKED_AGAIN
        return replace(fated, fate=fate, places=places, took_s=again_s - first.time_s)
    return fated


def _add_route(fated: Fated, lookup: Lookup) -> Fated:
    """Add how the capturing machine handled an unanswered query that was on the wire."""
    if is_lost_inside(fated.question, lookup.questions):
        return replace(fated, fate=Fate.NOT_ON_WIRE, forwarded=True)
    way = routes.find_astray(fated.question, lookup.questions)
    if way is None:
        return fated
    words, places = way
    return replace(fated, astray=words, places=tuple(dict.fromkeys((*fated.places, *places))))


def _is_asked_again_together(lookup: Lookup) -> bool:
    """Return whether a whole lookup is retried at once, as at first: then it had received no answer at all.

    After one answer the resolver retries the other query alone, or both one by one.
    """
    if not all(len(question.asked) > 1 for question in lookup.questions):
        return False
    first_s, again_s = (
        max(times) - min(times)
        for times in ([question.asked[attempt].time_s for question in lookup.questions] for attempt in (0, 1))
    )
    return again_s <= max(_GAP_FACTOR * first_s, _GAP_S)


def _judge_attempt(question: Question, attempt: int, where: Wire) -> tuple[Fate, tuple[Citation, ...], float | None]:
    """Return the fate of one captured attempt; the last one counts only if the capture continued for a while."""
    fate, places, took_s = judge_attempt(question, attempt)
    if fate is Fate.UNANSWERED or (fate is Fate.UNKNOWN and attempt + 1 == len(question.asked)):
        waited_s = where.capture.last_s - question.asked[attempt].time_s
        # In a capture without any answers only a retry shows that an answer was missing.
        followed = waited_s >= SLOW_S and (where.has_answers or attempt > 0)
        fate = Fate.NO_ANSWER if fate is Fate.UNANSWERED or followed else Fate.UNKNOWN
    # Answers to the first attempt may come after the second: with two answers, the first one was late.
    if fate is Fate.NO_ANSWER and attempt == 0 and is_answered_each_time(question):
        reply = question.answered[-1]
        return Fate.LATE, (reply.place,), reply.time_s - question.asked[0].time_s
    return fate, places, took_s


def _find_missing_before(question: Question, lookup: Lookup) -> tuple[tuple[Citation, ...], float] | None:
    """Return evidence that a question was sent before it is first seen, with another of its lookup; None without any.

    glibc, having received one answer of two, retries both, one by one (res_send.c: RES_SNGLKUP): the answered one is
    asked again, and the other one appears for the first time. Other resolvers retry the missing query alone, from the
    same socket, after their timeout. A program that asks one by one sends the second query as soon as it has the first
    answer, and no other program asks for the same name from that socket.
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


def find_first_seen_then(question: Question, lookup: Lookup) -> Question | None:
    """Return another question of a lookup that is first seen at a retry; None where there is none.

    If it comes from another port, whether and from which socket it was sent before is not shown.
    """
    again_s = question.asked[1].time_s
    for other in lookup.questions:
        late = other is not question and other.asked[0].time_s - question.asked[0].time_s >= RETRY_S
        if late and abs(other.asked[0].time_s - again_s) <= SLOW_S:
            return other
    return None


def _shares_socket(one: Attempt, other: Attempt) -> bool:
    return bool(one.sockets & other.sockets)


def _explains_again(question: Question, lookup: Lookup) -> bool:
    """Return whether an answered question was retried because of another question."""
    again_s = question.asked[1].time_s
    for other in lookup.questions:
        if other is question:
            continue
        reply = other.reply(0)
        near = any(abs(ask.time_s - again_s) <= SLOW_S for ask in other.asked)
        if near and reply is None:
            return True
        # glibc retries both when one has no answer; the capture may end before the other one's turn.
        if other.asked[0].time_s < again_s and (reply is None or reply.time_s > again_s):
            return True
        if _find_missing_before(other, lookup) is not None:
            return True
    return question.asked[1].time_s - question.asked[0].time_s < RETRY_S or question.answered[0].rcode != "NOERROR"
