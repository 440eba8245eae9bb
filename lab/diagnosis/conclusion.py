"""The answer to "is it this bug or another?", from all that was brought."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lab.diagnosis import advice, beside, clues, options, reasons, refused, traps
from lab.diagnosis.advice import Advice
from lab.diagnosis.clues import Clues
from lab.diagnosis.fates import Fated
from lab.diagnosis.findings import Cause, Finding, Grade, of_lookup
from lab.diagnosis.material import KINDS, Calls, Capture, Material
from lab.diagnosis.questions import Lookup, Question, lookups, of_calls
from lab.diagnosis.wire import Wire, of_wire, put_beside
from lab.evidence.strace import Clock

OTHERS_MAX = 5
"""So many more findings are told."""


class Answer(StrEnum):
    """Is it this bug?"""

    THIS_BUG = "this bug"
    ANOTHER_CAUSE = "another cause"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Conclusion:
    """What came out.

    Attributes:
        answer: The answer.
        certain: Whether nothing else could look so; else it is what fits best.
        sentence: The answer in a sentence.
        finding: What it rests on; None where nothing is to be seen.
        others: What else was found.
        warnings: Known traps that these files may have fallen into, a sentence each.
        collect: What to collect next.
        read: Each file, and what it was taken for.
        lookups: How many lookups were followed.
    """

    answer: Answer
    certain: bool
    sentence: str
    finding: Finding | None
    others: tuple[Finding, ...]
    warnings: tuple[str, ...]
    collect: tuple[Advice, ...]
    read: tuple[tuple[str, str], ...]
    lookups: int


@dataclass(frozen=True)
class _Followed:
    """All lookups with their fates, and the captures that they were followed through."""

    lookups: tuple[tuple[Lookup, tuple[Fated, ...]], ...]
    wires: tuple[Wire, ...]
    asked: bool


def conclude(material: Sequence[Material]) -> Conclusion:
    """Judge all that was brought, together."""
    said = clues.of_material(material)
    followed = _follow(material)
    found = _findings(material, followed, said)
    # Of equally sure ones, this bug first: it is what was asked about.
    ranked = sorted(found, key=lambda finding: (finding.cause is not Cause.CLASH or not finding.grade, -finding.grade))
    best = next(iter(ranked), None)
    answer = _answer(best)
    return Conclusion(
        answer,
        best is not None and best.grade is Grade.CERTAIN,
        _sentence(answer, best, followed) + _how_often(best, found, followed),
        best,
        _others(ranked),
        (*traps.warnings(material, said, followed.wires, asked=followed.asked), *traps.apart(followed.wires)),
        advice.collect(material, said, best),
        tuple((each.name, KINDS[type(each)]) for each in material),
        _count(followed),
    )


def _follow(material: Sequence[Material]) -> _Followed:
    """Follow lookups: by straces, with captures beside them; by captures alone where those have nothing in common."""
    found: list[tuple[Lookup, tuple[Fated, ...]]] = []
    asked: list[Question] = []
    captures = [each for each in material if isinstance(each, Capture)]
    wires = {capture.name: put_beside(capture) for capture in captures}
    for calls in (each for each in material if isinstance(each, Calls)):
        questions = of_calls(calls)
        own = [put_beside(each, questions, same_clock=calls.clock is Clock.REALTIME) for each in captures]
        found += [(lookup, beside.of_calls(lookup, own)) for lookup in lookups(calls.name, questions)]
        asked += questions
        wires |= {wire.capture.name: wire for wire in own if wire.ahead_s is not None}
    for wire in wires.values():
        told = of_wire(wire, [other for other in wires.values() if other is not wire])
        if wire.ahead_s is None:
            found += told
        elif any(_is_own(ask.server) for question in asked for ask in question.asked):
            # A cache on the machine itself asks on the program's behalf, by ids of its own.
            found += [(lookup, fated) for lookup, fated in told if not _any_same(lookup, asked)]
    return _Followed(tuple(found), tuple(wires.values()), bool(asked))


def _is_own(server: str | None) -> bool:
    return server is not None and ipaddress.ip_address(server).is_loopback


def _any_same(lookup: Lookup, asked: Sequence[Question]) -> bool:
    ids = {question.dns_id for question in asked}
    return any(question.dns_id in ids for question in lookup.questions)


def _findings(material: Sequence[Material], followed: _Followed, said: Clues) -> list[Finding]:
    found = [
        reasons.weigh(finding, said)
        for lookup, fated in followed.lookups
        if (finding := of_lookup(lookup, fated)) is not None
    ]
    for each in material:
        if isinstance(each, Capture):
            found += refused.on_wire(each)
        elif isinstance(each, Calls):
            found += refused.at_socket(each)
    for source in dict.fromkeys(lookup.source for lookup, _ in followed.lookups):
        found += options.of_lookups([lookup for lookup, _ in followed.lookups if lookup.source == source])
    if not any(finding.cause is Cause.CLASH for finding in found):
        found += reasons.without_lookups(said)
    return found


def _answer(best: Finding | None) -> Answer:
    if best is None or best.grade is Grade.OPEN:
        return Answer.CANNOT_TELL
    return Answer.THIS_BUG if best.cause is Cause.CLASH else Answer.ANOTHER_CAUSE


def _sentence(answer: Answer, best: Finding | None, followed: _Followed) -> str:
    if best is None:
        if not followed.lookups:
            return "cannot tell: there is no DNS lookup in these files"
        return f"cannot tell: no query is seen to have waited or failed in these files ({_count(followed)} lookups)"
    if answer is Answer.CANNOT_TELL:
        but = f"; against it: {'; '.join(best.against)}" if best.against else ""
        return f"cannot tell yet: {best.says}{but}"
    if answer is Answer.THIS_BUG:
        sure = "it is this bug" if best.grade is Grade.CERTAIN else "it fits this bug"
        return f"{sure}: {best.says}"
    sure = "" if best.grade is Grade.CERTAIN else ", most likely"
    return f"another cause{sure}: {best.cause}: {best.says}"


def _count(followed: _Followed) -> int:
    """Count lookups; one that two captures show is one."""
    return len({tuple(question.dns_id for question in lookup.questions) for lookup, _ in followed.lookups})


def _how_often(best: Finding | None, found: Sequence[Finding], followed: _Followed) -> str:
    """Say how many lookups the answer holds for, where there are several."""
    if best is None or not best.fated or _count(followed) == 1:
        return ""
    alike = {tuple(each.question.dns_id for each in finding.fated) for finding in found if finding.cause is best.cause}
    return f" (so in {len(alike)} of {_count(followed)} lookups)"


def _others(ranked: Sequence[Finding]) -> tuple[Finding, ...]:
    """Give other causes that were found, each once."""
    told: dict[Cause, Finding] = {}
    for finding in ranked[1:]:
        if finding.cause is not ranked[0].cause:
            told.setdefault(finding.cause, finding)
    return tuple(told.values())[:OTHERS_MAX]
