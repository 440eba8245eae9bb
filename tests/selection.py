"""The scenarios that tests in guests run: those of the article, and a few of each other place where the race is met."""

from __future__ import annotations

import os

from lab.catalogue import find
from lab.catalogue.scenario import Resolver, Scenario, Shape
from lab.foundation.home import SCENARIOS

ALL = "LAB_TEST_ALL"
"""Environment variable: run every scenario (`make test-all`)."""

QUICK = frozenset(
    {
        "bridged",
        "forwarded",
        "forwarded-masquerade",
        "nfqueue-ipv6",
        "nfqueue-output",
        "nfqueue-timeout-1",
        "nodelocal",
        "verdict-dies-bypass",
        "verdict-fail-open",
    }
)
"""One or two scenarios of each kind, which `make test` runs."""


def scenario_names() -> list[str]:
    """Return the names of the scenarios to run."""
    wanted = find.scenarios(SCENARIOS, [])
    if not os.environ.get(ALL):
        wanted = [scenario for scenario in wanted if scenario.name in QUICK or not is_elsewhere(scenario)]
    return [scenario.name for scenario in wanted]


def is_elsewhere(scenario: Scenario) -> bool:
    """Return whether a scenario is of another place than the article's: network, hook, resolver, another program."""
    resolvers = [step for step in scenario.step if isinstance(step, Resolver)]
    return (
        scenario.network.shape is not Shape.HOST
        or scenario.network.ipv6
        or scenario.name.startswith("verdict-")
        or scenario.brought is not None
        or (scenario.queue is not None and scenario.queue.chain is not None)
        or any(step.nameservers or step.search for step in resolvers)
        or scenario.retry_s != scenario.lookup.client.retry_s
    )
