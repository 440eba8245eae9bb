"""`lab workarounds`: one scenario with every workaround that applies, on machines, as one stored run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.catalogue import find, workaround
from lab.catalogue.scenario import Scenario
from lab.catalogue.workaround import KnownWorkaround, Unfit
from lab.commands.run import run_scenarios
from lab.commands.trials import TrialOptions
from lab.comparison import review, workarounds
from lab.comparison.cells import Comparison
from lab.comparison.workarounds import WorkaroundsTable
from lab.foundation.errors import BadInput
from lab.foundation.home import SCENARIOS
from lab.foundation.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.runs.run import RanOn, Run
from lab.session.session import Session


@dataclass(frozen=True)
class WorkaroundsTried:
    """The workarounds of a scenario, tried.

    Attributes:
        run: The stored run's name.
        path: Where its raw files are.
        machines: The machines as they were, by name.
        known: The workarounds, in the order of the rows.
        table: What each did.
    """

    run: str
    path: Path
    machines: dict[str, RanOn]
    known: tuple[KnownWorkaround, ...]
    table: WorkaroundsTable


def try_all(
    session: Session,
    machine_names: Sequence[str],
    scenario_name: str,
    workaround_names: Sequence[str],
    how: TrialOptions,
) -> Result[WorkaroundsTried]:
    """Make trials of a scenario without and with each workaround that applies, on each machine.

    Args:
        session: The lab in use.
        machine_names: Running machines; all that run for none.
        scenario_name: The scenario, or its file.
        workaround_names: All workarounds for none.
        how: How trials are made.

    Raises:
        BadInput: there is no such machine, scenario or workaround, or nothing is queued in the scenario.
        BrokenEnvironment: a machine is not running, or went away; finished trials are kept.
        Cancelled: the user interrupted; finished trials are kept.
    """
    known = workaround.workarounds(SCENARIOS, tuple(dict.fromkeys(workaround_names)))
    (scenario,) = find.scenarios(SCENARIOS, [scenario_name])
    if not scenario.has_queue:
        raise BadInput(f"{scenario.name} queues nothing", hint="name a scenario that does: --scenario nfqueue")
    done = run_scenarios(session, machine_names, plan(scenario, known), how)
    tried = _tried(done.data.run, done.data.path, done.data.comparison, scenario, known)
    return Result(tried, AS_ASKED if _is_judged(tried) else NOT_AS_EXPECTED)


def again(session: Session, run_id: str) -> Result[WorkaroundsTried]:
    """Judge the stored trials of workarounds again; needs no machine.

    Raises:
        BadInput: there is no such run, or it is no run of workarounds.
    """
    run = session.store.get(run_id)
    scenario = base_of(run)
    if scenario is None:
        raise BadInput(f"run {run.id} is no run of workarounds", hint="make one: lab workarounds --help")
    known = [
        each
        for each in workaround.workarounds(SCENARIOS)
        if workaround.name_with(scenario.name, each.name) in run.scenarios
        or isinstance(workaround.apply(each, scenario), Unfit)
    ]
    compared = review.judge_run(session.store, run)
    return Result(_tried(run, session.store.path(run), compared, scenario, known))


def plan(scenario: Scenario, known: Sequence[KnownWorkaround]) -> list[Scenario]:
    """Return the scenarios to run: without a queue, as it is, and with each workaround, its times without a hold."""
    variants: list[Scenario] = []
    for each in known:
        changed = workaround.apply(each, scenario)
        if isinstance(changed, Scenario):
            timed = workaround.unheld(changed)
            variants += [changed, timed] if timed else [changed]
    return [workaround.without_queue(scenario), scenario, *variants]


def base_of(run: Run) -> Scenario | None:
    """Return the scenario whose workarounds a run has tried; None if it is another run."""
    scenarios = run.scenarios
    return next(
        (
            each
            for each in scenarios.values()
            if workaround.variant_name(each.name, workaround.WITHOUT_QUEUE) in scenarios
        ),
        None,
    )


def _tried(
    run: Run, path: Path, compared: Comparison, scenario: Scenario, known: Sequence[KnownWorkaround]
) -> WorkaroundsTried:
    applied = {each.name: workaround.apply(each, scenario) for each in known}
    unfit = {name: found for name, found in applied.items() if isinstance(found, Unfit)}
    plain = workaround.variant_name(scenario.name, workaround.WITHOUT_QUEUE)
    table = workarounds.build(compared, scenario.name, known, unfit, plain)
    return WorkaroundsTried(run.id, path, compared.machines, tuple(known), table)


def _is_judged(tried: WorkaroundsTried) -> bool:
    """Return whether the scenario itself, without a workaround, could be judged on every machine."""
    bases = tried.table.base
    return all(name in bases and bases[name].as_expected for name in tried.machines)
