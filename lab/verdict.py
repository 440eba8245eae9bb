"""What happened in one trial, judged from its evidence alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lab.catalogue.scenario import Scenario
from lab.evidence.hook import Flow, Packet
from lab.evidence.trial import Evidence

RES_TIMEOUT_S = 5.0
"""How long glibc waits for an answer before it asks again: RES_TIMEOUT in resolv.h, resolv.conf(5) "timeout"."""

STALL_S = 0.95 * RES_TIMEOUT_S
"""A lookup this long waited for a timeout: an answer that comes takes milliseconds, so nothing lies between."""


class Outcome(StrEnum):
    """How a trial went."""

    HEALTHY = "healthy"
    """The lookup took no timeout."""
    STALLED = "stalled"
    """The lookup waited for at least one timeout."""
    UNARMED = "unarmed"
    """The race was to be armed and was not: the trial says nothing about the kernel."""
    FAILED = "failed"
    """There was no page, or no evidence to judge by."""


@dataclass(frozen=True)
class Verdict:
    """A trial's outcome and why.

    Attributes:
        outcome: How it went.
        armed: Whether two queries of one flow passed the hook with two different conntracks.
        lookup_s: How long the name lookup took, in seconds; None when nothing timed it.
        reason: One sentence.
    """

    outcome: Outcome
    armed: bool
    lookup_s: float | None
    reason: str


def judge(evidence: Evidence, scenario: Scenario) -> Verdict:
    """Judge one trial.

    Whether the race was armed is decided by the conntracks at the hook, never by the time taken: a slow lookup
    without an armed race has another cause, and a quick one says nothing of a kernel whose race was not armed.
    """
    armed = is_armed(evidence.queued.value or ())
    problem = _problem(evidence, scenario)
    transfer = evidence.transfer.value
    if problem is not None or transfer is None:
        return Verdict(Outcome.FAILED, armed, None, problem or "the client left nothing")
    lookup_s = transfer.lookup_s
    told = f"the lookup took {lookup_s:.2f} s"
    stalled = lookup_s >= STALL_S
    if scenario.arms and not armed:
        if stalled:
            why = f"{told}, but the race was not armed: this stall has another cause"
            return Verdict(Outcome.FAILED, armed, lookup_s, why)
        why = "both queries had one conntrack at the hook: the first was confirmed before the second left"
        return Verdict(Outcome.UNARMED, armed, lookup_s, why)
    if stalled:
        return Verdict(Outcome.STALLED, armed, lookup_s, f"{told}: it waited for a timeout")
    return Verdict(Outcome.HEALTHY, armed, lookup_s, told)


def _problem(evidence: Evidence, scenario: Scenario) -> str | None:
    """Say why a trial cannot be judged; None when it can."""
    transfer = evidence.transfer.value
    if transfer is None:
        return evidence.transfer.problem
    if transfer.exit_status != 0:
        return f"curl ended with exit status {transfer.exit_status}"
    if scenario.queue and not evidence.queued.value:
        return evidence.queued.problem or "no DNS packet passed the hook"
    return None


def is_armed(packets: Iterable[Packet]) -> bool:
    """Tell whether the race was armed: two packets of one flow carried two different conntracks at the hook.

    That is so exactly when the second passed LOCAL_OUT before the first was confirmed (nf_conntrack_in finds no
    entry then and makes another). Untracked packets have none and cannot clash.
    """
    conntracks: dict[Flow, set[int]] = defaultdict(set)
    for packet in packets:
        if packet.ct is not None:
            conntracks[packet.flow].add(packet.ct)
    return any(len(found) > 1 for found in conntracks.values())
