"""Lookups that are slow although no query waits long: because of what the resolver was told to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from lab.diagnosis.fates import SLOW_S
from lab.diagnosis.findings import Cause, Finding, Grade
from lab.diagnosis.questions import Lookup, Question

_NOT_THERE = frozenset({"NXDOMAIN"})

BETWEEN_S = 0.5
"""A program that asks for one name after the other asks for the next as soon as it has an answer."""


def of_lookups(lookups: Sequence[Lookup]) -> Iterator[Finding]:
    """Give what search domains, and asking one by one, cost where that is a second or more."""
    yield from _search(lookups)
    for lookup in lookups:
        yield from _one_by_one(lookup)


def _search(lookups: Sequence[Lookup]) -> Iterator[Finding]:
    """`search` and `ndots`: a name is tried with each domain behind it, one after the other (resolv.conf(5))."""
    chain: list[Lookup] = []
    for lookup in sorted(lookups, key=lambda lookup: lookup.start_s):
        if chain and _goes_on(chain[-1], lookup):
            chain.append(lookup)
            continue
        yield from _of_chain(chain)
        chain = [lookup]
    yield from _of_chain(chain)


def _goes_on(before: Lookup, lookup: Lookup) -> bool:
    """Tell whether a name is tried on with another domain: the one before was not there, and begins alike."""
    ended_s = _end_s(before)
    failed = all(question.answered and question.answered[0].rcode in _NOT_THERE for question in before.questions)
    names = [each.name.lower().split(".") for each in (before, lookup)]
    alike = names[0] != names[1] and names[0][0] == names[1][0]
    return failed and alike and ended_s is not None and -SLOW_S < lookup.start_s - ended_s < BETWEEN_S


def _of_chain(chain: Sequence[Lookup]) -> Iterator[Finding]:
    ended_s = _end_s(chain[-1]) if chain else None
    if len(chain) < 2 or ended_s is None or ended_s - chain[0].start_s < SLOW_S:  # noqa: PLR2004
        return
    tried = ", ".join(lookup.name for lookup in chain)
    says = (
        f"one name was tried with {len(chain)} domains, in {ended_s - chain[0].start_s:.1f} s: {tried} (search, ndots)"
    )
    yield Finding(Cause.OPTION, Grade.CERTAIN, says, tuple(lookup.questions[0].asked[0].place for lookup in chain))


def _one_by_one(lookup: Lookup) -> Iterator[Finding]:
    """`single-request`: each query waits for the answer to the one before, so that their times add up."""
    first, last_s = lookup.questions[0], _end_s(lookup)
    if len(lookup.questions) < 2 or last_s is None or last_s - lookup.start_s < SLOW_S:  # noqa: PLR2004
        return
    follows = [_follows(one, other) for one, other in pairwise(lookup.questions)]
    if all(follows):
        places = tuple(question.asked[0].place for question in lookup.questions)
        says = (
            f"{first} for {lookup.name} was answered before the next was asked, and both took "
            f"{last_s - lookup.start_s:.1f} s (single-request, or a program that asks one by one)"
        )
        yield Finding(Cause.OPTION, Grade.FITS, says, places)


def _follows(one: Question, other: Question) -> bool:
    """Tell whether a question was asked as soon as the one before was answered."""
    reply = one.reply(0)
    return reply is not None and len(one.asked) == 1 and 0 <= other.asked[0].time_s - reply.time_s < BETWEEN_S


def _end_s(lookup: Lookup) -> float | None:
    """Give when the last answer came; None when one is missing."""
    if not all(question.answered for question in lookup.questions):
        return None
    return max(question.answered[-1].time_s for question in lookup.questions)
