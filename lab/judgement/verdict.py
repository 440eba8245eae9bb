"""Judges one trial from its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from lab.catalogue.scenario import Scenario
from lab.evidence import kernel
from lab.evidence.constants import DROP, INSERT_FAILED
from lab.evidence.message import Message
from lab.evidence.resolver import ResolverEvent
from lab.evidence.trial import Evidence
from lab.evidence.verdict_log import Released
from lab.foundation.language import N_
from lab.judgement import sightings
from lab.judgement.arming import determine_arming
from lab.judgement.lifeline import Lifeline, Status
from lab.judgement.lifelines import Route, build_lifelines
from lab.judgement.outcome import Outcome, Verdict
from lab.judgement.pairs import Pairs, count_pairs
from lab.judgement.product import check_product, describe_arming
from lab.judgement.sightings import Stage

STALL_SHARE = 0.95
"""A lookup stalled if it took this share of the client's retransmit timeout; an answer takes milliseconds."""

WAIT_SHARE = 0.9
"""The same share for a pause between two of the resolver's calls, which excludes its own run time."""

FAILED_INSERTS = (INSERT_FAILED, DROP)
"""At least one of these counters rises with every packet that confirm drops, in every kernel from 3.10 on
(__nf_conntrack_confirm and nf_ct_resolve_clash in nf_conntrack_core.c)."""


FAMILIES = ("A", "AAAA")
"""The query types of a lookup (getaddrinfo(3) for AF_UNSPEC)."""


def judge(evidence: Evidence, scenario: Scenario) -> Verdict:
    """Judge one trial.

    Arming is decided by the conntracks of the queries, never by the lookup's duration: a slow lookup without an armed
    race has another cause, and a fast one without an armed race is no evidence about the kernel. A slow lookup with an
    armed race is attributed to the kernel only if the packets agree: a query was retransmitted, and in a traced trial
    a query was lost at confirm.
    """
    agent, brought = scenario.agent, scenario.brought
    loses = scenario.queue is not None and scenario.queue.may_lose
    armed_by = determine_arming(evidence, queues=scenario.has_queue, loses=loses, by_product=agent is not None)
    route = Route(scenario.has_queue, evidence.is_behind, loses and evidence.verdicts.value is not None)
    seen = sightings.collect_sightings(evidence)
    lifelines = build_lifelines(seen, route, cut_off=sightings.cut_off(evidence))
    armed = next(iter(armed_by.values())) if len(set(armed_by.values())) == 1 else None
    lookup_s = evidence.timing.value.lookup_s if evidence.timing.value else None
    outcome, reason = (
        (check_product(evidence, brought, queues_packets=scenario.queues_packets) if brought else None)
        or _check_evidence(evidence, scenario)
        or _check_contradictions(evidence, scenario, armed_by, lifelines)
        or _decide(evidence, lookup_s or 0.0, lifelines, scenario, armed=armed)
    )
    if outcome is Outcome.HEALTHY and armed and (merged := _describe_merge(evidence)):
        reason += f"; {merged}"
    if agent and outcome in {Outcome.HEALTHY, Outcome.STALLED, Outcome.UNARMED}:
        reason += describe_arming(evidence, agent, armed=armed)
    pairs = count_pairs(evidence, WAIT_SHARE * scenario.retry_s)
    if pairs and pairs.made > 1 and outcome in {Outcome.HEALTHY, Outcome.STALLED}:
        reason += f"; {_describe_pairs(pairs)}"
    return Verdict(outcome, armed, lookup_s, evidence.gathered, reason, lifelines, pairs)


def _describe_pairs(pairs: Pairs) -> str:
    return N_(f"{pairs.made} pairs of queries: {pairs.armed} armed, {pairs.stalled} waited for a timeout")


def _check_evidence(evidence: Evidence, scenario: Scenario) -> tuple[Outcome, str] | None:
    """Return the outcome and reason of a trial that cannot be judged; None when it can."""
    timing = evidence.timing.value
    if timing is None:
        return Outcome.INCONCLUSIVE, f"the lookup was not timed: {evidence.timing.problem}"
    if timing.exit_status != 0:
        return Outcome.FAILED, f"the client ended with exit status {timing.exit_status}"
    if scenario.queues_packets and not scenario.agent:
        verdicts = evidence.verdicts.value
        traced = evidence.traced.value
        queued_counts = [
            None if evidence.queued.value is None or scenario.hook is None else len(evidence.queued.value),
            None if verdicts is None else len(verdicts.packets) + verdicts.unreleased,
            # A trace without packet addresses has no steps, and one without a queue has no QUEUED steps.
            None
            if traced is None
            else sum(step.did is kernel.Action.QUEUED for step in kernel.extract_steps(traced)) or None,
        ]
        if not any(queued_counts):
            bypassed = traced is not None and any(
                step.did is kernel.Action.SENT for step in kernel.extract_steps(traced)
            )
            if bypassed and "trace" not in sightings.cut_off(evidence):
                return Outcome.FAILED, "no query was queued: by the trace they left without passing the queue"
            return Outcome.INCONCLUSIVE, "cannot determine whether a query was queued"
        may_lose = scenario.queue is not None and scenario.queue.may_lose
        if verdicts is not None and not verdicts.packets and not may_lose:
            return Outcome.INCONCLUSIVE, "queries were queued, but the verdict program logged none"
    return None


def _check_contradictions(
    evidence: Evidence, scenario: Scenario, armed_by: Mapping[str, bool], lifelines: Iterable[Lifeline]
) -> tuple[Outcome, str] | None:
    """Return the contradictions between sources; None without any."""
    contradictions = [f"{_name(line)}: {words}" for line in lifelines for words in line.contradictions]
    if len(set(armed_by.values())) > 1:
        contradictions.append(
            "; ".join(f"{source}: {'armed' if armed else 'not armed'}" for source, armed in armed_by.items())
        )
    counted = evidence.counted.value or {}
    risen = [counted[name] for name in FAILED_INSERTS if name in counted]
    if risen and not any(risen) and any(line.is_dropped for line in lifelines):
        contradictions.append(N_(f"a query was dropped at confirm, but {' and '.join(FAILED_INSERTS)} did not rise"))
    waited_s = _longest_wait_s(evidence.resolver.value or ())
    retry_s = scenario.retry_s
    if evidence.timing.value and waited_s is not None and not _is_slow_host(evidence, lifelines, retry_s):
        lookup_s = evidence.timing.value.lookup_s
        if (lookup_s >= STALL_SHARE * retry_s) != (waited_s >= WAIT_SHARE * retry_s):
            contradictions.append(
                N_(f"the client reports {lookup_s:.2f} s, but its longest wait in a system call was {waited_s:.2f} s")
            )
    return (Outcome.CONTRADICTORY, "; ".join(contradictions)) if contradictions else None


def _is_slow_host(evidence: Evidence, lifelines: Iterable[Lifeline], retry_s: float) -> bool:
    """Return whether a long lookup waited for no timeout: the host was slow, as a traced client on a busy one is.

    Only complete system calls show this, with no query retransmitted and none lost.
    """
    timing, waited_s = evidence.timing.value, _longest_wait_s(evidence.resolver.value or ())
    if timing is None or waited_s is None or "client.strace" in sightings.cut_off(evidence):
        return False
    is_long = timing.lookup_s >= STALL_SHARE * retry_s and waited_s < WAIT_SHARE * retry_s
    return is_long and is_retransmitted(evidence) is False and not any(line.lost_at for line in lifelines)


def _longest_wait_s(events: Sequence[ResolverEvent]) -> float | None:
    """Return the longest time between two of the resolver's calls, or until it retransmitted a query, in seconds.

    The other query's answer may come in between and does not end the wait. None with fewer than two calls.
    """
    waits_s = [later.time_s - event.time_s for event, later in pairwise(events)]
    sent_s: dict[tuple[int, str | None], float] = {}
    for event in events:
        if event.kind == "sent" and event.message:
            query = (event.message.dns_id, event.message.qtype)
            waits_s += [event.time_s - sent_s[query]] if query in sent_s else []
            sent_s[query] = event.time_s
    return max(waits_s, default=None)


def _decide(
    evidence: Evidence, lookup_s: float, lifelines: Sequence[Lifeline], scenario: Scenario, *, armed: bool | None
) -> tuple[Outcome, str]:
    reason = N_(f"the lookup took {lookup_s:.2f} s")
    retry_s = scenario.retry_s
    slow = _is_slow_host(evidence, lifelines, retry_s)
    stalled = lookup_s >= STALL_SHARE * retry_s and not slow
    if scenario.arms and armed is None:
        return Outcome.INCONCLUSIVE, f"{reason}; cannot determine whether the race was armed"
    if scenario.arms and not armed:
        if stalled:
            return Outcome.FAILED, f"{reason}, but the race was not armed: this stall has another cause"
        return Outcome.UNARMED, "no two queries of one socket had different conntracks at once"
    if not stalled:
        return Outcome.HEALTHY, f"{reason}, but it waited for no timeout: the host was slow" if slow else reason
    losses = "; ".join(_describe_loss(line, lifelines) for line in lifelines if line.lost_at)
    reason = N_(f"{reason}: it waited for a timeout")
    if scenario.arms:
        return _check_stall(evidence, lifelines, f"{reason}; {losses}" if losses else reason)
    return Outcome.STALLED, f"{reason}; {losses}" if losses else reason


def _check_stall(evidence: Evidence, lifelines: Sequence[Lifeline], reason: str) -> tuple[Outcome, str]:
    """Decide whether the packets of an armed trial confirm that the clash caused the stall."""
    problems = evidence.verdicts.value.problems if evidence.verdicts.value else ()
    if problems:
        return Outcome.INCONCLUSIVE, f"{reason}; but the verdict program reported problems: {'; '.join(problems)}"
    if is_retransmitted(evidence) is False:
        return Outcome.INCONCLUSIVE, f"{reason}; but no query was retransmitted"
    if not evidence.gathered:
        return Outcome.STALLED, reason
    lost = [line for line in lifelines if line.lost_at]
    if not lost:
        return Outcome.INCONCLUSIVE, f"{reason}; but no query was lost by the evidence"
    if not any(_fits_a_clash(line) for line in lost):
        return Outcome.FAILED, f"{reason}; none was lost at confirm: this stall has another cause"
    return Outcome.STALLED, reason


def _fits_a_clash(lost: Lifeline) -> bool:
    """Return whether confirm dropped a query, or it was last seen before confirm and missed after it."""
    stages = list(Stage)
    seen_until = -1 if lost.last_seen is None else stages.index(lost.last_seen)
    missing_from = -1 if lost.lost_at is None else stages.index(lost.lost_at)
    return lost.is_dropped or seen_until < stages.index(Stage.CONFIRM) <= missing_from


def is_retransmitted(evidence: Evidence) -> bool | None:
    """Return whether a query was sent more than once; None without a source that shows outgoing queries."""
    messages = [event.message for event in evidence.resolver.value or () if event.kind == "sent" and event.message]
    verdicts = evidence.verdicts.value.packets if evidence.verdicts.value else ()
    repeated = [len(set(types)) < len(types) for types in _types(messages, verdicts) if types]
    if evidence.queued.value:
        repeated.append(len(evidence.queued.value) > len(FAMILIES))
    return any(repeated) if repeated else None


def _types(*sources: Iterable[Message | Released]) -> list[list[str | None]]:
    return [[query.qtype for query in source] for source in sources]


def _describe_merge(evidence: Evidence) -> str:
    """Describe how two conntracks were merged; empty where no trace shows it."""
    steps: dict[int, kernel.PacketStep] = {}
    for step in kernel.extract_steps(evidence.traced.value) if evidence.traced.value else ():
        before = steps.get(step.dns_id)
        if step.did is kernel.Action.SENT and before and before.clashed:
            conntrack = N_("its own conntrack" if before.ct == step.ct else "the conntrack of the first")
            return f"query id {step.dns_id} clashed at confirm, and left with {conntrack}"
        if step.did is kernel.Action.REINJECTED and before and before.ct != step.ct:
            return f"query id {step.dns_id} had the conntrack of the first when it was reinjected: no clash"
        steps[step.dns_id] = step
    return ""


def _describe_loss(lost: Lifeline, lifelines: Iterable[Lifeline]) -> str:
    """Describe where a query was lost, when it was retransmitted, and whether that was answered."""
    reason = N_(f"the {_name(lost)} was lost {_place(lost)}")
    again = next(
        (line for line in lifelines if line.dns_id == lost.dns_id and line.attempt == lost.attempt + 1),
        None,
    )
    if again is None or again.start_s is None or lost.start_s is None:
        return reason
    after_s = again.start_s - lost.start_s
    if all(point.status is Status.NOT_TRACED for point in again.points if point.stage is Stage.READ):
        return f"{reason}, retransmitted {after_s:.2f} s later"
    is_answered = again.lost_at is None and again.last_seen is Stage.READ
    answered = N_("and answered" if is_answered else "and not answered")
    return f"{reason}, retransmitted {after_s:.2f} s later {answered}"


def _name(line: Lifeline) -> str:
    return f"{line.qtype or 'unknown'} query (id {line.dns_id})"


def _place(line: Lifeline) -> str:
    point = next(point for point in line.points if point.stage is line.lost_at)
    if point.status is Status.DROPPED:
        return f"at confirm, which returned {point.detail}"
    return f"after it was {line.last_seen}: it was not {line.lost_at}"
