"""What happened in one trial, judged from its evidence alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from lab import lifeline, sightings
from lab.arming import arming
from lab.catalogue.scenario import Scenario
from lab.evidence import kernel
from lab.evidence.message import Message
from lab.evidence.resolver import ResolverEvent
from lab.evidence.trial import Evidence
from lab.evidence.verdict_log import Released
from lab.lifeline import Lifeline, Status
from lab.sightings import Stage

STALL_SHARE = 0.95
"""Of the time after which the client asks again. An answer that comes takes milliseconds: nothing lies between."""

WAIT_SHARE = 0.9
"""Likewise, of a pause between two of the resolver's calls: it works a while before it waits."""

FAILED_INSERTS = ("insert_failed", "drop")
"""Counters of which at least one rises with every packet that confirm drops, in every kernel from 3.10 on
(__nf_conntrack_confirm and nf_ct_resolve_clash in nf_conntrack_core.c)."""


FAMILIES = ("A", "AAAA")
"""What a lookup asks for, once each (getaddrinfo(3) for AF_UNSPEC)."""


class Outcome(StrEnum):
    """How a trial went."""

    HEALTHY = "healthy"
    """The lookup took no timeout."""
    STALLED = "stalled"
    """The lookup waited for at least one timeout."""
    UNARMED = "unarmed"
    """The race was to be armed and was not: the trial says nothing about the kernel."""
    FAILED = "failed"
    """The name was not resolved, or the scenario did not happen."""
    INCONCLUSIVE = "inconclusive"
    """Evidence that it takes to judge is missing."""
    CONTRADICTORY = "contradictory"
    """Two sources disagree."""


@dataclass(frozen=True)
class Verdict:
    """A trial's outcome and why.

    Attributes:
        outcome: How it went.
        armed: Whether two queries of one socket had two different conntracks at once; None when nothing tells.
        lookup_s: How long the name lookup took, in seconds; None when nothing timed it.
        gathered: Whether evidence was gathered beside the trial, which takes time of its own.
        reason: What happened, in a sentence.
        lifelines: The way of each query, as far as the evidence goes.
    """

    outcome: Outcome
    armed: bool | None
    lookup_s: float | None
    gathered: bool
    reason: str
    lifelines: tuple[Lifeline, ...] = ()


def judge(evidence: Evidence, scenario: Scenario) -> Verdict:
    """Judge one trial.

    Whether the race was armed is decided by the conntracks of the queries, never by the time taken: a slow lookup
    without an armed race has another cause, and a quick one says nothing of a kernel whose race was not armed. A slow
    one with an armed race is the kernel's doing only as far as the packets agree: a query was asked again, and where
    packets were followed one was lost at confirm.
    """
    armed_by = arming(evidence, queues=scenario.queue is not None)
    lifelines = lifeline.of_sightings(
        sightings.of_trial(evidence), queues=scenario.queue is not None, cut_off=sightings.cut_off(evidence)
    )
    armed = next(iter(armed_by.values())) if len(set(armed_by.values())) == 1 else None
    lookup_s = evidence.timing.value.lookup_s if evidence.timing.value else None
    outcome, reason = (
        _failure(evidence, scenario)
        or _contradiction(evidence, scenario, armed_by, lifelines)
        or _outcome(evidence, lookup_s or 0.0, lifelines, scenario, armed=armed)
    )
    if outcome is Outcome.HEALTHY and armed:
        reason += _merged(evidence)
    return Verdict(outcome, armed, lookup_s, evidence.gathered, reason, lifelines)


def _failure(evidence: Evidence, scenario: Scenario) -> tuple[Outcome, str] | None:
    """Say why a trial cannot be judged; None when it can."""
    timing = evidence.timing.value
    if timing is None:
        return Outcome.INCONCLUSIVE, f"nothing timed the lookup: {evidence.timing.problem}"
    if timing.exit_status != 0:
        return Outcome.FAILED, f"the client ended with exit status {timing.exit_status}"
    if scenario.queues_packets:
        verdicts = evidence.verdicts.value
        traced = evidence.traced.value
        told = [
            None if evidence.queued.value is None or scenario.hook is None else len(evidence.queued.value),
            None if verdicts is None else len(verdicts.packets),
            # A trace of an older form has no steps, and one without a queue none of this kind.
            None if traced is None else sum(step.did is kernel.Did.QUEUED for step in kernel.steps(traced)) or None,
        ]
        if not any(told):
            went_past = traced is not None and any(step.did is kernel.Did.SENT for step in kernel.steps(traced))
            if went_past and "trace" not in sightings.cut_off(evidence):
                return Outcome.FAILED, "no query was queued: the trace has them leave without"
            return Outcome.INCONCLUSIVE, "nothing tells whether a query was queued"
        if verdicts is not None and not verdicts.packets:
            return Outcome.INCONCLUSIVE, "queries went to the queue, and the verdict program has none in its log"
    return None


def _contradiction(
    evidence: Evidence, scenario: Scenario, armed_by: Mapping[str, bool], lifelines: Iterable[Lifeline]
) -> tuple[Outcome, str] | None:
    """Say where two sources disagree; None when none do."""
    said = [f"{_name(line)}: {words}" for line in lifelines for words in line.contradictions]
    if len(set(armed_by.values())) > 1:
        said.append("; ".join(f"{source}: {'armed' if armed else 'not armed'}" for source, armed in armed_by.items()))
    counted = evidence.counted.value or {}
    risen = [counted[name] for name in FAILED_INSERTS if name in counted]
    if risen and not any(risen) and any(line.is_dropped for line in lifelines):
        said.append(f"a query was dropped at confirm, and {' and '.join(FAILED_INSERTS)} did not rise")
    waited_s = _longest_wait_s(evidence.resolver.value or ())
    retry_s = scenario.lookup.client.retry_s
    if evidence.timing.value and waited_s is not None:
        lookup_s = evidence.timing.value.lookup_s
        if (lookup_s >= STALL_SHARE * retry_s) != (waited_s >= WAIT_SHARE * retry_s):
            said.append(f"the client says {lookup_s:.2f} s, but its longest wait by its calls was {waited_s:.2f} s")
    return (Outcome.CONTRADICTORY, "; ".join(said)) if said else None


def _longest_wait_s(events: Sequence[ResolverEvent]) -> float | None:
    """Give the longest time between two of the resolver's calls, or until it asked for the same again.

    The other query's answer may come in between, and is no end of the wait. None where there are no two calls.
    """
    waits_s = [later.time_s - event.time_s for event, later in pairwise(events)]
    sent_s: dict[tuple[int, str | None], float] = {}
    for event in events:
        if event.kind == "sent" and event.message:
            query = (event.message.dns_id, event.message.qtype)
            waits_s += [event.time_s - sent_s[query]] if query in sent_s else []
            sent_s[query] = event.time_s
    return max(waits_s, default=None)


def _outcome(
    evidence: Evidence, lookup_s: float, lifelines: Sequence[Lifeline], scenario: Scenario, *, armed: bool | None
) -> tuple[Outcome, str]:
    told = f"the lookup took {lookup_s:.2f} s"
    stalled = lookup_s >= STALL_SHARE * scenario.lookup.client.retry_s
    if scenario.arms and armed is None:
        return Outcome.INCONCLUSIVE, f"{told}; nothing tells whether the race was armed"
    if scenario.arms and not armed:
        if stalled:
            return Outcome.FAILED, f"{told}, but the race was not armed: this stall has another cause"
        return Outcome.UNARMED, "no two queries of one socket had different conntracks at once"
    if not stalled:
        return Outcome.HEALTHY, told
    losses = "; ".join(_loss(line, lifelines) for line in lifelines if line.lost_at)
    told = f"{told}: it waited for a timeout"
    if scenario.arms:
        return _stalled(evidence, lifelines, f"{told}; {losses}" if losses else told)
    return Outcome.STALLED, f"{told}; {losses}" if losses else told


def _stalled(evidence: Evidence, lifelines: Sequence[Lifeline], told: str) -> tuple[Outcome, str]:
    """Say whether the packets of an armed trial agree that the clash is why it waited."""
    problems = evidence.verdicts.value.problems if evidence.verdicts.value else ()
    if problems:
        return Outcome.INCONCLUSIVE, f"{told}; but the verdict program complains: {'; '.join(problems)}"
    if asked_again(evidence) is False:
        return Outcome.INCONCLUSIVE, f"{told}; but no query was asked again"
    if not evidence.gathered:
        return Outcome.STALLED, told
    lost = [line for line in lifelines if line.lost_at]
    if not lost:
        return Outcome.INCONCLUSIVE, f"{told}; but no query is seen to be lost"
    if not any(_fits_a_clash(line) for line in lost):
        return Outcome.FAILED, f"{told}; none was lost at confirm: this stall has another cause"
    return Outcome.STALLED, told


def _fits_a_clash(lost: Lifeline) -> bool:
    """Tell whether confirm dropped a query, or it was not seen after its verdict and nobody saw it pass confirm."""
    stages = list(Stage)
    seen_until = -1 if lost.last_seen is None else stages.index(lost.last_seen)
    missing_from = -1 if lost.lost_at is None else stages.index(lost.lost_at)
    return lost.is_dropped or seen_until < stages.index(Stage.CONFIRM) <= missing_from


def asked_again(evidence: Evidence) -> bool | None:
    """Tell whether a query was asked more than once, by the sources that see each on its way out; None for none."""
    asked = [event.message for event in evidence.resolver.value or () if event.kind == "sent" and event.message]
    verdicts = evidence.verdicts.value.packets if evidence.verdicts.value else ()
    known = [len(set(types)) < len(types) for types in _types(asked, verdicts) if types]
    if evidence.queued.value:
        known.append(len(evidence.queued.value) > len(FAMILIES))
    return any(known) if known else None


def _types(*sources: Iterable[Message | Released]) -> list[list[str | None]]:
    return [[query.qtype for query in source] for source in sources]


def _merged(evidence: Evidence) -> str:
    """Say how two conntracks became one; nothing where no trace shows it."""
    had: dict[int, kernel.Step] = {}
    for step in kernel.steps(evidence.traced.value) if evidence.traced.value else ():
        before = had.get(step.dns_id)
        if step.did is kernel.Did.SENT and before and before.clashed:
            whose = "its own conntrack" if before.ct == step.ct else "the conntrack of the first"
            return f"; query id {step.dns_id} clashed at confirm, and left with {whose}"
        if step.did is kernel.Did.REINJECTED and before and before.ct != step.ct:
            return f"; query id {step.dns_id} had the conntrack of the first when it came back: nothing clashed"
        had[step.dns_id] = step
    return ""


def _loss(lost: Lifeline, lifelines: Iterable[Lifeline]) -> str:
    """Say where a query was lost, after how long it was asked again, and whether that helped."""
    told = f"the {_name(lost)} was lost {_place(lost)}"
    again = next(
        (line for line in lifelines if line.dns_id == lost.dns_id and line.attempt == lost.attempt + 1),
        None,
    )
    if again is None or again.start_s is None or lost.start_s is None:
        return told
    answered = "and answered" if again.lost_at is None and again.last_seen is Stage.READ else "and not answered"
    return f"{told}, asked again {again.start_s - lost.start_s:.2f} s later {answered}"


def _name(line: Lifeline) -> str:
    return f"{line.qtype or 'unknown'} query (id {line.dns_id})"


def _place(line: Lifeline) -> str:
    point = next(point for point in line.points if point.stage is line.lost_at)
    if point.status is Status.DROPPED:
        return f"at confirm, which returned {point.detail}"
    return f"after it was {line.last_seen}: it was not {line.lost_at}"
