"""The trials of a check: rounds of them, until some were armed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from lab import raw_files
from lab.catalogue.client import Client
from lab.catalogue.scenario import Lookup, Queue, Scenario
from lab.checking.plan import Plan
from lab.checking.reach import Reach
from lab.raw_files import Begun, Ended

SCENARIO = "check"

AGAIN = 2
"""So many trials more look at a packet again when it comes back from the queue: that tells two eras apart."""

ROUNDS = 3
"""On a busy machine the second query may come late, and then a round has not one armed trial."""

HOLD_S = 0.2
"""How long the first query waits for the second: HOLD_MS in provision/check/queue.c."""

BOUND_S = 11
"""When the client is given up: CLIENT_BOUND_S in provision/check/trial.c."""


def scenario(plan: Plan) -> Scenario:
    """Give the scenario that the trials are of: as `nfqueue-musl`, with a rule in place of the lab's module."""
    queue = Queue(do="queue", by=plan.rule, hold_packets=2, hold_s=HOLD_S)
    lookup = Lookup(do="lookup", client=Client.MUSL, bound_s=BOUND_S)
    return Scenario(
        name=SCENARIO,
        title="Both queries wait in NFQUEUE, in namespaces made for the check",
        shows="What this kernel does when the two queries of one flow clash.",
        arms=True,
        step=(queue, lookup),
        expected={},
    )


def make(reach: Reach, program: Path, plan: Plan, count: int, is_enough: Callable[[], bool]) -> Iterator[Begun | Ended]:
    """Make rounds of trials, and give each when it begins and when it has ended.

    Args:
        reach: The way to the machine.
        program: What makes them.
        plan: How.
        count: How many in a round; there are AGAIN more, the last ones.
        is_enough: Asked after each round.

    Raises:
        BrokenEnvironment: they could not be made.
        Cancelled: the work was cancelled.
    """
    arguments = ["--rule", plan.rule, "--trials", str(count + AGAIN), "--again", str(AGAIN)]
    if plan.load:
        arguments += ["--modules", " ".join(plan.load)]
    for number in range(ROUNDS):
        with reach.trials(program, arguments, sudo=plan.sudo) as archive:
            for trial in raw_files.read(archive):
                yield replace(trial, number=trial.number + number * (count + AGAIN))
        if is_enough():
            return
