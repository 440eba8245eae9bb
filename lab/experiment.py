"""Runs trials in a machine: the guest gathers, nothing is judged here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from lab.catalogue.scenario import Scenario
from lab.errors import BrokenEnvironment, LabError
from lab.provision import REMOTE
from lab.ssh import Shell

LANE = "lab-lane0"

TRIAL_SLACK_S = 30.0
"""What a trial may take beyond its client's own bound, on a machine under load, before it counts as hung."""

END_BOUND_S = 10.0
"""For tidying up a machine in which something went wrong already."""


def settings(scenario: Scenario) -> list[str]:
    """Give a scenario's steps as the settings of provision/guest/scenario.sh."""
    given = []
    if scenario.resolver_options:
        given.append(f"resolver={' '.join(scenario.resolver_options)}")
    if scenario.queue:
        hold_ms = round(scenario.queue.hold_s * 1000)
        given += [
            f"queue={scenario.queue.by}",
            f"hold_packets={scenario.queue.hold_packets}",
            f"hold_ms={hold_ms}",
        ]
    return given


@contextmanager
def prepared(shell: Shell, scenario: Scenario) -> Iterator[None]:
    """Prepare the lane for a scenario's trials, and put it back whatever happens.

    Raises:
        BrokenEnvironment: the guest could not do it.
    """
    script = f"{REMOTE}/guest/scenario.sh"
    shell.ask([script, "begin", LANE, *settings(scenario)])
    try:
        yield
    except BaseException:
        # The error under way matters more than one of tidying up; the next "begin" tidies up first.
        with contextlib.suppress(LabError):
            shell.run([script, "end", LANE], bound_s=END_BOUND_S, tidying=True)
        raise
    shell.ask([script, "end", LANE])


def trial(shell: Shell, scenario: Scenario) -> bytes:
    """Make one trial and give its raw files, as a tar archive.

    Raises:
        BrokenEnvironment: the guest died, hung, or could not make the trial.
    """
    lookup = scenario.lookup
    command = ["ip", "netns", "exec", LANE, f"{REMOTE}/guest/trial.sh", LANE, lookup.name, str(lookup.bound_s)]
    output = shell.run(command, bound_s=lookup.bound_s + TRIAL_SLACK_S)
    if output.status != 0:
        said = output.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise BrokenEnvironment(f"a trial of {scenario.name} could not be made; the guest said: {said[0]}")
    return output.stdout
