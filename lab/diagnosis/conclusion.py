"""Conclusion from all files: is it this bug or another cause?"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from lab.diagnosis import advice, beside, clues, hints, options, reasons, refused, remedies, resolvers, singles, traps
from lab.diagnosis.advice import Advice, Site
from lab.diagnosis.book import read_calls
from lab.diagnosis.causes import Cause, Finding, Grade
from lab.diagnosis.clues import Clues
from lab.diagnosis.fates import Fated
from lab.diagnosis.findings import find_cause
from lab.diagnosis.material import KINDS, Calls, Capture, Daemon, Material
from lab.diagnosis.printed import limit_grade
from lab.diagnosis.questions import Lookup, Question, group_lookups
from lab.diagnosis.remedies import Remedy
from lab.diagnosis.wire import Wire, align_capture, judge_wire
from lab.evidence.printed.model import PrintedCapture

_SAME_S = 2e-6
"""tcpdump prints microseconds even for packets captured with nanoseconds."""

OTHERS_MAX = 5
"""Most additional findings reported."""


class Answer(StrEnum):
    """Is it this bug?"""

    THIS_BUG = "this bug"
    ANOTHER_CAUSE = "another cause"
    CANNOT_TELL = "cannot tell"
    NOT_HERE = "not this bug"
    """Not in the network namespace whose counters were given."""


@dataclass(frozen=True)
class Conclusion:
    """Result of a diagnosis.

    Attributes:
        answer: The answer.
        certain: Whether no other cause could look like this; else it is the best fit.
        sentence: The answer in one sentence.
        finding: The finding it rests on; None when there is none.
        others: Findings of other causes.
        warnings: Known pitfalls of these files, one sentence each.
        collect: What to collect next.
        read: Each file with the kind that was detected.
        lookups: Number of lookups that were followed.
        machine: Where the files were made, as far as they show it.
        next: The next step; None when there is none.
        remedies: What helps against the cause, as far as the lab has measured it.
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
    machine: Site
    next: Advice | None
    remedies: tuple[Remedy, ...]


@dataclass(frozen=True)
class _Followed:
    """All lookups with their fates, and the captures through which they were followed."""

    lookups: tuple[tuple[Lookup, tuple[Fated, ...]], ...]
    wires: tuple[Wire, ...]
    asked: bool


def conclude(material: Sequence[Material]) -> Conclusion:
    """Judge all files together."""
    observed = clues.collect_clues(material)
    followed = _follow(material)
    findings = _findings(material, followed, observed)
    # Among equally certain findings this bug comes first: the question is about it.
    ranked = sorted(
        findings, key=lambda finding: (finding.cause is not Cause.CLASH or not finding.grade, -finding.grade)
    )
    best = next(iter(ranked), None)
    answer = _answer(best)
    return Conclusion(
        answer,
        best is not None and best.grade is Grade.CERTAIN,
        _sentence(answer, best, followed, observed) + _how_often(best, findings, followed),
        best,
        _others(ranked),
        (
            *traps.collect_warnings(material, observed, followed.wires, asked=followed.asked),
            *traps.compare_clocks(followed.wires),
        ),
        advice.collect(material, observed, best),
        tuple((each.name, KINDS[type(each)]) for each in material),
        _count(followed),
        advice.detect_machine(observed),
        advice.choose_next(material, observed, best),
        remedies.choose_remedies(best, observed),
    )


def _follow(material: Sequence[Material]) -> _Followed:
    """Follow lookups: in straces combined with captures; in captures alone where they share no question."""
    fates: list[tuple[Lookup, tuple[Fated, ...]]] = []
    asked: list[Question] = []
    captures = [each for each in material if isinstance(each, Capture)]
    wires = [align_capture(capture) for capture in captures]
    for calls in (each for each in material if isinstance(each, Calls)):
        questions = read_calls(calls)
        own = [align_capture(each, questions, calls.clock) for each in captures]
        fates += [(lookup, beside.judge_calls(lookup, own)) for lookup in group_lookups(calls.name, questions)]
        asked += questions
        wires = [one if one.ahead_s is not None else other for one, other in zip(own, wires, strict=True)]
    for wire in wires:
        on_wire = judge_wire(wire, [other for other in wires if other is not wire and not _is_copy(wire, other)])
        if wire.ahead_s is None:
            fates += on_wire
        elif any(_is_own(ask.server) for question in asked for ask in question.asked):
            # A local cache asks for the program, with different DNS ids.
            fates += [(lookup, fated) for lookup, fated in on_wire if not _any_same(lookup, asked)]
    return _Followed(tuple(fates), tuple(wires), bool(asked))


def _is_copy(one: Wire, other: Wire) -> bool:
    """Return whether two captures are one: a file and its copy, or its text. No other machine has equal timestamps."""
    packets, others = one.capture.packets, other.capture.packets
    if not packets or [each.flow for each in packets] != [each.flow for each in others]:
        return False
    ahead_s = packets[0].time_s - others[0].time_s
    return all(abs(mine.time_s - its.time_s - ahead_s) < _SAME_S for mine, its in zip(packets, others, strict=True))


def _is_own(server: str | None) -> bool:
    try:
        return server is not None and ipaddress.ip_address(server).is_loopback
    except ValueError:
        return False  # a name that stands for an address


def _any_same(lookup: Lookup, asked: Sequence[Question]) -> bool:
    ids = {question.dns_id for question in asked}
    return any(question.dns_id in ids for question in lookup.questions)


def _findings(material: Sequence[Material], followed: _Followed, observed: Clues) -> list[Finding]:
    daemons = [each for each in material if isinstance(each, Daemon)]
    printed = {each.name: each.printed for each in material if isinstance(each, Capture) and each.printed}
    findings = [
        _weighed(finding, observed, daemons, printed)
        for lookup, fated in followed.lookups
        if (finding := find_cause(lookup, fated)) is not None
    ]
    for each in material:
        if isinstance(each, Capture):
            findings += (limit_grade(finding, printed) for finding in refused.find_on_wire(each))
        elif isinstance(each, Calls):
            findings += refused.find_at_socket(each)
    for source in dict.fromkeys(lookup.source for lookup, _ in followed.lookups):
        own = [lookup for lookup, _ in followed.lookups if lookup.source == source]
        findings += (limit_grade(finding, printed) for finding in options.find_slow_options(own))
    if not any(finding.cause is Cause.CLASH and finding.grade is Grade.CERTAIN for finding in findings):
        findings += hints.find_named_drops(observed)
    if not any(finding.cause is Cause.CLASH for finding in findings):
        findings += hints.find_without_lookups(observed, followed=bool(followed.lookups))
    alone = [*resolvers.find_timeouts(daemons), *singles.find_in_material(material, followed=bool(followed.lookups))]
    against = tuple(reasons.list_counter_contradictions(observed))
    findings += [replace(each, against=against, grade=Grade.OPEN if against else each.grade) for each in alone]
    if not findings and not followed.lookups:
        findings += singles.find_never_failed(observed)
    return findings


def _weighed(
    finding: Finding, observed: Clues, daemons: Sequence[Daemon], texts: Mapping[str, PrintedCapture]
) -> Finding:
    """Weigh one lookup's finding against all files.

    A trace that names the query outweighs what a printed capture leaves out.
    """
    weighed = resolvers.trace_along(reasons.weigh(limit_grade(finding, texts), observed), daemons)
    named = any(observed.dropped_at_confirm(each.question) for each in weighed.fated)
    return weighed if named and weighed.cause is Cause.CLASH else limit_grade(weighed, texts)


def _answer(best: Finding | None) -> Answer:
    if best is None or best.grade is Grade.OPEN:
        return Answer.CANNOT_TELL
    if best.cause is Cause.NOT_HERE:
        return Answer.NOT_HERE
    return Answer.THIS_BUG if best.cause is Cause.CLASH else Answer.ANOTHER_CAUSE


def _sentence(answer: Answer, best: Finding | None, followed: _Followed, observed: Clues) -> str:
    if best is None:
        if not followed.lookups:
            return f"cannot tell: {_of_counters(observed) or _of_surroundings(observed)}"
        return f"cannot tell: no query is seen to have waited or failed in these files ({_count(followed)} lookups)"
    if answer is Answer.CANNOT_TELL:
        but = f"; against it: {'; '.join(best.against)}" if best.against else ""
        return f"cannot tell yet: {best.says}{but}"
    if answer is Answer.THIS_BUG:
        sure = "it is this bug" if best.grade is Grade.CERTAIN else "it fits this bug"
        return f"{sure}: {best.says}"
    if answer is Answer.NOT_HERE:
        return f"not this bug in this network namespace: {best.says}"
    sure = "" if best.grade is Grade.CERTAIN else ", most likely"
    return f"another cause{sure}: {best.cause}: {best.says}"


def _of_counters(observed: Clues) -> str | None:
    """Return what counters show where there is no lookup; None where there are no counters."""
    if observed.insert_failed:
        drop = f", and drop by {observed.rise('drop')}" if observed.rise("drop") else ""
        return (
            f"insert_failed rose by {observed.insert_failed}{drop}, and there is no DNS lookup in these files: kernels "
            "that resolve a clash count it, too, so whether a query was lost takes a capture or an strace of a stall"
        )
    counts = [each.counts["insert_failed"] for each in observed.alone if "insert_failed" in each.counts]
    if counts:
        return (
            f"one reading of conntrack's counters (insert_failed {max(counts)} since this network namespace was "
            "created) does not show whether it rose at a stall, and there is no DNS lookup in these files"
        )
    return None


def _of_surroundings(observed: Clues) -> str:
    """Return what the files show besides counters where there is no lookup."""
    parts = ["there is no DNS lookup in these files"]
    parts += [f"{option.text} ({option}) keeps glibc from this bug, not musl" for option in observed.options[:1]]
    parts += [f"{words}: look on the node, too" for words, _ in observed.around.signs[:1]]
    return "; ".join(parts)


def _count(followed: _Followed) -> int:
    """Return the number of lookups; one that two captures show counts once."""
    return len({tuple(question.dns_id for question in lookup.questions) for lookup, _ in followed.lookups})


def _how_often(best: Finding | None, findings: Sequence[Finding], followed: _Followed) -> str:
    """Return for how many lookups the answer holds, where there are several; else nothing."""
    if best is None or not best.fated or _count(followed) == 1:
        return ""
    alike = {
        tuple(each.question.dns_id for each in finding.fated) for finding in findings if finding.cause is best.cause
    }
    return f" (the same in {len(alike)} of {_count(followed)} lookups)"


def _others(ranked: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings of other causes, each cause once."""
    others: dict[object, Finding] = {}
    for finding in ranked[1:]:
        # LOST_SOMEWHERE findings each report something different: keep all of them.
        key = finding.says if finding.cause is Cause.LOST_SOMEWHERE else finding.cause
        if key != ranked[0].cause:
            others.setdefault(key, finding)
    return tuple(others.values())[:OTHERS_MAX]
