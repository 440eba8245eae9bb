"""Trials of a check: rounds until some were armed, first of a plain clash, then of one behind DNAT."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.catalogue.client import Client
from lab.catalogue.queue import Queue
from lab.catalogue.scenario import Firewall, Resolver, Scenario, TimedLookup
from lab.foundation.errors import BrokenEnvironment
from lab.remote_check.plan import By, CheckPlan
from lab.remote_check.program import CHECK
from lab.remote_check.reach import Reach
from lab.runs import trial_stream
from lab.runs.trial_stream import Begun, Ended

SCENARIO = "check"
BEHIND_DNAT = "check-dnat"

AGAIN = 2
"""Additional trials that observe a packet when it is reinjected, which distinguishes two eras."""

ROUNDS = 3
"""Rounds at most: on a busy machine the second query may come late, and a round may have no armed trial."""

HOLD_S = 0.2
"""How long the first query waits for the second: HOLD_MS in provision/check/queue.c."""

BOUND_S = 11
"""Timeout of the client: CLIENT_BOUND_S in provision/check/trial.c."""

MAPPED = "10.10.10.60"
"""MAPPED_ADDRESS in provision/check/check.h, like the two addresses in RULES."""

RULES = """
*nat
-A OUTPUT -p udp -m statistic --mode nth --every 2 --packet 0 -j DNAT --to-destination 10.10.10.53
-A OUTPUT -p udp -j DNAT --to-destination 10.10.10.54
COMMIT
"""
"""Rules that provision/check/iptables.c creates in the kernel; nftables.c matches A and AAAA instead."""


_REFUSED = re.compile(r"check: (cannot (?:make|read|replace) (?:an )?(?:nf|ip)_tables.*)")
"""Message of the program when the kernel rejects its rules: provision/check/nftables.c and iptables.c."""


class RuleRefusedError(BrokenEnvironment):
    """The kernel rejects the rules although it seemed to support them: 3.10.0-123's nf_tables."""


@dataclass(frozen=True)
class Batch:
    """Trials of one scenario.

    Attributes:
        scenario: The scenario.
        arguments: Arguments of the program.
        size: Number of trials in a round.
    """

    scenario: Scenario
    arguments: tuple[str, ...]
    size: int


def plain(plan: CheckPlan, count: int) -> Batch:
    """Return the trials of a plain clash, like `nfqueue-musl` with a rule in place of the lab's module.

    Args:
        plan: The plan.
        count: Number of trials; AGAIN more follow.
    """
    scenario = Scenario(
        name=SCENARIO,
        title="Both queries wait in NFQUEUE, in namespaces made for the check",
        shows="What this kernel does when the two queries of one flow clash.",
        arms=True,
        step=_queue_and_lookup(plan.rule),
        expected={},
    )
    size = count + AGAIN
    return Batch(scenario, (*_arguments(plan.rule, size, plan.load), "--again", str(AGAIN)), size)


def behind_dnat(plan: CheckPlan, count: int) -> Batch | None:
    """Return the trials of a clash behind DNAT to two servers, like `nfqueue-dnat`; None if they cannot be made.

    Args:
        plan: The plan.
        count: Number of trials.
    """
    rule, load = plan.behind_dnat.rule, plan.behind_dnat.load
    if rule is None:
        return None
    scenario = Scenario(
        name=BEHIND_DNAT,
        title="Both queries wait in NFQUEUE behind DNAT to two servers, in namespaces made for the check",
        shows="What this kernel does when the two queries of one flow clash, and each was mapped to another server.",
        arms=True,
        step=(
            Resolver(do="resolver", nameserver=MAPPED),
            Firewall(do="firewall", rules=RULES),
            *_queue_and_lookup(rule),
        ),
        expected={},
    )
    return Batch(scenario, (*_arguments(rule, count, load), "--dnat"), count)


def _queue_and_lookup(rule: By) -> tuple[Queue, TimedLookup]:
    queue = Queue(do="queue", by=rule, hold_packets=2, hold_s=HOLD_S)
    return queue, TimedLookup(do="lookup", client=Client.MUSL, bound_s=BOUND_S)


def _arguments(rule: By, size: int, load: Sequence[str]) -> tuple[str, ...]:
    return ("--rule", rule, "--trials", str(size), *(("--modules", " ".join(load)) if load else ()))


def make(
    reach: Reach, program: Path, batch: Batch, is_enough: Callable[[], bool], *, sudo: bool
) -> Iterator[Begun | Ended]:
    """Run rounds of trials, and yield an event at the begin and the end of each trial.

    Args:
        reach: Access to the machine.
        program: The program that runs them.
        batch: The trials of a round.
        is_enough: Called after each round; True ends the check.
        sudo: Whether to use sudo.

    Raises:
        RuleRefusedError: the kernel rejects the rules.
        BrokenEnvironment: they could not be made.
        Cancelled: the work was cancelled.
    """
    for number in range(ROUNDS):
        try:
            with reach.run(CHECK, program, batch.arguments, sudo=sudo) as archive:
                for trial in trial_stream.read(archive):
                    yield replace(trial, number=trial.number + number * batch.size)
        except BrokenEnvironment as error:
            if match := _REFUSED.search(f"{error.message} {error.hint or ''}"):
                raise RuleRefusedError(match[1].strip()) from error
            raise
        if is_enough():
            return
