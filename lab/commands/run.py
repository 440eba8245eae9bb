"""`lab run`: trials of scenarios on machines, stored and judged."""

from __future__ import annotations

from collections.abc import Sequence

from lab.catalogue import find
from lab.catalogue.machine import Machine
from lab.catalogue.scenario import Scenario
from lab.commands.trials import RunDone, TrialOptions, run_on
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.home import SCENARIOS
from lab.foundation.result import Result
from lab.provider.base import State
from lab.runs import lanes
from lab.session.machine import ChosenMachine
from lab.session.session import Session


def run(
    session: Session,
    machine_names: Sequence[str],
    scenario_names: Sequence[str],
    how: TrialOptions,
    kernel_names: Sequence[str] = (),
) -> Result[RunDone]:
    """Make trials of each scenario on each machine, the machines side by side.

    Args:
        session: The lab in use.
        machine_names: Running machines; none for all that run, unless kernels are named.
        scenario_names: All scenarios for none.
        how: How trials are made.
        kernel_names: Added kernels; those that do not run are brought up, and switched off at the end.

    Raises:
        BadInput: there is no such machine or scenario, or a machine has fewer lanes.
        BrokenEnvironment: a machine is not running, or went away; finished trials are kept.
        Cancelled: the user interrupted; finished trials are kept.
    """
    scenarios = [_aimed(scenario, how) for scenario in find.scenarios(SCENARIOS, scenario_names)]
    if not kernel_names:
        return run_scenarios(session, machine_names, scenarios, how)
    kernels = kernels_to_run(session, kernel_names)
    running = session.current(session.find(machine_names)) if machine_names else []
    machines = [*{machine.name: machine for machine in (*running, *kernels)}.values()]
    _require_lanes(session, machines, how)
    with session.using(*machines), session.up_meanwhile(kernels):
        return run_on(session, machines, scenarios, how)


def kernels_to_run(session: Session, names: Sequence[str]) -> list[ChosenMachine]:
    """Return kernels as machines on which trials can be made.

    Raises:
        BadInput: there is no such kernel, or one lacks what every trial needs.
    """
    for name in names:
        kernel = session.kernels.get(name)
        if kernel.lacks:
            raise BadInput(
                f"no trial can be made on kernel {kernel.name}: it has no {', '.join(kernel.lacks)}",
                hint="if a package of its modules was forgotten, add it again with all of them",
            )
    return session.current(session.find(names))


def run_scenarios(
    session: Session, machine_names: Sequence[str], scenarios: Sequence[Scenario], how: TrialOptions
) -> Result[RunDone]:
    """Make trials as `run` does, of scenarios that need not be in any file."""
    definitions = session.find(machine_names)
    machines = session.current(definitions)
    if not machine_names:
        machines = [machine for machine in machines if session.provider(machine).state(machine) is State.RUNNING]
    if not machines:
        raise BrokenEnvironment("no machine is running", hint="bring some up: lab up old new")
    _require_lanes(session, machines, how)
    with session.using(*machines):
        return run_on(session, machines, scenarios, how)


def _require_lanes(session: Session, machines: Sequence[Machine], how: TrialOptions) -> None:
    """Refuse to use more lanes than a machine has."""
    for machine in machines:
        there_are = session.lanes_of(machine)
        if how.lanes is not None and how.lanes > there_are:
            raise BadInput(
                f"{machine.name} has {there_are} lanes, not {how.lanes}: {lanes.A_PROCESSOR} for each of its "
                f"{machine.cpus} virtual processors",
                hint=f"use at most --lanes {there_are}, or leave it out for as many as there are",
            )


def _aimed(scenario: Scenario, how: TrialOptions) -> Scenario:
    aimed = scenario.aimed(how.outside) if how.outside else scenario
    if aimed is None:
        raise BadInput(
            f"{scenario.name} is about the test network's own servers and cannot be aimed elsewhere",
            hint="name others: --scenario nfqueue",
        )
    return aimed
