"""Lookups slowed down by resolver options although no query waits long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from lab.diagnosis.causes import Cause, Finding, Grade
from lab.diagnosis.fates import RETRY_S, SLOW_S
from lab.diagnosis.questions import Lookup, Question

_NOT_THERE = frozenset({"NXDOMAIN"})

BETWEEN_S = 0.5
"""Longest time between an answer and the next query of a program that asks for names one by one."""


def find_slow_options(lookups: Sequence[Lookup]) -> Iterator[Finding]:
    """Find search domains and sequential queries that cost a second or more."""
    yield from _search(lookups)
    for lookup in lookups:
        yield from _one_by_one(lookup)


def _search(lookups: Sequence[Lookup]) -> Iterator[Finding]:
    """Find `search` and `ndots`: a name is tried with each domain appended, one after the other (resolv.conf(5))."""
    chain: list[Lookup] = []
    for lookup in sorted(lookups, key=lambda lookup: lookup.start_s):
        if chain and _continues(chain[-1], lookup):
            chain.append(lookup)
            continue
        yield from _of_chain(chain)
        chain = [lookup]
    yield from _of_chain(chain)


def _continues(before: Lookup, lookup: Lookup) -> bool:
    """Return whether a lookup continues a search list: the previous name is absent and has the same first label."""
    ended_s = _end_s(before)
    failed = all(question.answered and question.answered[0].rcode in _NOT_THERE for question in before.questions)
    names = [each.name.lower().split(".") for each in (before, lookup)]
    alike = names[0] != names[1] and names[0][0] == names[1][0]
    return failed and alike and ended_s is not None and -SLOW_S < lookup.start_s - ended_s < BETWEEN_S


def _of_chain(chain: Sequence[Lookup]) -> Iterator[Finding]:
    ended_s = _end_s(chain[-1]) if chain else None
    if len(chain) < 2 or ended_s is None:  # noqa: PLR2004
        return
    waited = [lookup for lookup in chain if _has_waited(lookup)]
    took_s = ended_s - chain[0].start_s - sum((_end_s(lookup) or lookup.start_s) - lookup.start_s for lookup in waited)
    if took_s < SLOW_S:
        return
    tried = ", ".join(lookup.name for lookup in chain)
    but = f", besides {len(waited)} of them that waited for a query or its answer" if waited else ""
    says = f"one name was tried with {len(chain)} domains, in {took_s:.1f} s{but}: {tried} (search, ndots)"
    grade = Grade.OPEN if waited else Grade.CERTAIN
    yield Finding(Cause.OPTION, grade, says, tuple(lookup.questions[0].asked[0].place for lookup in chain))


def _has_waited(lookup: Lookup) -> bool:
    """Return whether a query of a lookup was sent after a resolver's wait: a loss took that time, not a search list."""
    return any(ask.time_s - lookup.start_s >= RETRY_S for question in lookup.questions for ask in question.asked)


def _one_by_one(lookup: Lookup) -> Iterator[Finding]:
    """Find `single-request`: each query waits for the answer to the previous one, so their times add up."""
    first, last_s = lookup.questions[0], _end_s(lookup)
    if len(lookup.questions) < 2 or last_s is None or last_s - lookup.start_s < SLOW_S:  # noqa: PLR2004
        return
    follows = [_follows(one, other) for one, other in pairwise(lookup.questions)]
    if all(follows) and all(len(question.asked) == 1 for question in lookup.questions):
        places = tuple(question.asked[0].place for question in lookup.questions)
        says = (
            f"{first} for {lookup.name} was answered before the next was asked, and both took "
            f"{last_s - lookup.start_s:.1f} s (single-request, or a program that asks one by one)"
        )
        yield Finding(Cause.OPTION, Grade.FITS, says, places)


def _follows(one: Question, other: Question) -> bool:
    """Return whether a question was asked immediately after the previous one was answered."""
    reply = one.reply(0)
    if reply is None or not 0 <= other.asked[0].time_s - reply.time_s < BETWEEN_S:
        return False
    # If the clock is too coarse, compare the order in the file.
    return other.asked[0].time_s > reply.time_s or other.asked[0].place.position > reply.place.position


def _end_s(lookup: Lookup) -> float | None:
    """Return the time of the last answer; None when an answer is missing."""
    if not all(question.answered for question in lookup.questions):
        return None
    return max(question.answered[-1].time_s for question in lookup.questions)
