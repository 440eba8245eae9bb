"""Judges what a program that was brought along did in a trial, and why a product's queries were armed."""

from __future__ import annotations

from collections.abc import Iterable

from lab.catalogue.agent import Agent, Brought
from lab.evidence import kernel
from lab.evidence.kernel import Action, PacketStep
from lab.evidence.trial import Evidence
from lab.judgement.outcome import Outcome

QUERIES = 2
"""Number of queries of a lookup: A and AAAA."""

QUOTED_LINES = 3
"""So many of a product's last lines are quoted."""


def check_product(evidence: Evidence, brought: Brought, *, queues_packets: bool) -> tuple[Outcome, str] | None:
    """Return the outcome and reason of a trial whose product, or other program, did not do its part; None when it did.

    Args:
        evidence: The trial's evidence.
        brought: The program.
        queues_packets: Whether a product has to get queries.
    """
    look = evidence.product.value
    name = brought.product
    if look is None:
        return Outcome.INCONCLUSIVE, f"cannot determine whether {name} ran: {evidence.product.problem}"
    lines = look.last_lines(QUOTED_LINES)
    quoted = f"; its last lines: {lines}" if lines else "; it printed nothing"
    if look.failure is not None:
        return Outcome.NOT_STARTED, f"{name} did not start: {look.failure}{quoted}"
    # A starter that ended well may have left the product in the background.
    if look.exit_status:
        return Outcome.FAILED, f"{name} ended with exit status {look.exit_status} while trials ran{quoted}"
    if not isinstance(brought, Agent):
        return None
    left = look.left(brought.queue)
    if left:
        return Outcome.FAILED, f"{name} stopped listening to queue {', '.join(map(str, left))}{quoted}"
    return _check_queue(evidence, brought) if queues_packets and not brought.may_be_passed else None


def _check_queue(evidence: Evidence, agent: Agent) -> tuple[Outcome, str] | None:
    queued = evidence.product.value.queued(agent.queue) if evidence.product.value else None
    if queued or _is_queued(evidence):
        return None
    if queued is None:
        return Outcome.INCONCLUSIVE, f"cannot determine whether {agent.product} got a query: no list of queues"
    numbers = ", ".join(map(str, agent.queue))
    return Outcome.FAILED, f"{agent.product} ran, but no packet came to its queue {numbers}"


def describe_arming(evidence: Evidence, agent: Agent, *, armed: bool | None) -> str:
    """Describe by the kernel's trace why the race was armed, or not, though no verdict was held; empty without it."""
    queued = [step for steps in _by_socket(evidence) for step in steps if step.did is Action.QUEUED]
    if queued and not armed and all(step.ct is None for step in queued):
        return f"; not armed: {agent.product} queued the queries before conntrack made an entry for them"
    waits = [wait for wait in (_wait_s(steps) for steps in _by_socket(evidence)) if wait is not None]
    if armed is None or not waits:
        return ""
    verdict_s, gap_s = waits[0]
    took = f"{agent.product} took {verdict_s * 1000:.1f} ms for the first verdict"
    came = f"the second query was queued after {gap_s * 1000:.1f} ms"
    return f"; {'armed' if armed else 'not armed'} without a hold: {took}, and {came}"


def _is_queued(evidence: Evidence) -> bool:
    steps = kernel.extract_steps(evidence.traced.value) if evidence.traced.value else ()
    return any(step.did is Action.QUEUED for step in steps)


def _by_socket(evidence: Evidence) -> Iterable[list[PacketStep]]:
    sockets: dict[int, list[PacketStep]] = {}
    for step in kernel.extract_steps(evidence.traced.value) if evidence.traced.value else ():
        sockets.setdefault(step.sport, []).append(step)
    return sockets.values()


def _wait_s(steps: Iterable[PacketStep]) -> tuple[float, float] | None:
    """Return how long a socket's first query waited for its verdict, and when the second was queued, in seconds."""
    queued_s: dict[int, float] = {}
    verdict_s: float | None = None
    for step in steps:
        if step.did is Action.QUEUED and step.dns_id not in queued_s:
            queued_s[step.dns_id] = step.time_s
        first = next(iter(queued_s), None)
        if step.did is Action.REINJECTED and step.dns_id == first and verdict_s is None:
            verdict_s = step.time_s
    if len(queued_s) < QUERIES or verdict_s is None:
        return None
    first_s, second_s, *_ = queued_s.values()
    return verdict_s - first_s, second_s - first_s
