"""Runs trials in a machine: the guest gathers, nothing is judged here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from lab.catalogue.scenario import Scenario
from lab.errors import BrokenEnvironment, LabError
from lab.provision.facts import REMOTE
from lab.ssh import Shell

LANE = "lab-lane0"

TRIAL_SLACK_S = 30.0
"""What a trial may take beyond its client's own bound, on a machine under load, before it counts as hung."""

BEGIN_BOUND_S = 60.0
"""For the verdict program and the hook: less than a second on an idle machine."""

TRACER_BOUND_S = 300.0
"""For systemtap, which compiles a kernel module first."""

END_BOUND_S = 10.0
"""For tidying up a machine in which something went wrong already."""


def settings(scenario: Scenario, *, stap: bool) -> list[str]:
    """Give a scenario's steps as the settings of provision/guest/scenario.sh."""
    given = ["trace=stap"] if stap else []
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
def prepared(shell: Shell, scenario: Scenario, *, stap: bool = False) -> Iterator[None]:
    """Prepare the lane for a scenario's trials, and put it back whatever happens.

    Args:
        shell: A connection to the machine.
        scenario: The scenario.
        stap: Whether systemtap traces each trial.

    Raises:
        BrokenEnvironment: the guest could not do it.
    """
    script = f"{REMOTE}/guest/scenario.sh"
    shell.ask(
        [script, "begin", LANE, *settings(scenario, stap=stap)], bound_s=TRACER_BOUND_S if stap else BEGIN_BOUND_S
    )
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
