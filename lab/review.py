"""Judges stored runs: every figure is computed afresh from the raw files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab import comparison, verdict
from lab.catalogue.scenario import Scenario
from lab.comparison import Cell, Comparison, LeftOut
from lab.errors import BadInput
from lab.evidence import trial
from lab.store import RanOn, Run, RunStore
from lab.verdict import Verdict


@dataclass(frozen=True)
class Judged:
    """A trial that was judged.

    Attributes:
        run: The run's name.
        machine: The machine's.
        scenario: The scenario's.
        number: Which trial, from 1.
        path: Where its raw files are.
        verdict: What follows from them, but for the lifelines.
    """

    run: str
    machine: str
    scenario: str
    number: int
    path: Path
    verdict: Verdict


@dataclass(frozen=True)
class Reviewed:
    """Stored trials, each by itself and all side by side.

    Attributes:
        comparison: The machines side by side.
        trials: In the order of scenarios, then machines.
    """

    comparison: Comparison
    trials: tuple[Judged, ...]


def of_run(store: RunStore, run: Run, machines: Sequence[str] = (), scenarios: Sequence[str] = ()) -> Comparison:
    """Judge one run, or those of its machines and scenarios that are named.

    Raises:
        BadInput: the run has no trial of them.
    """
    return _review(store, [run], machines, scenarios, f"run {run.id} has").comparison


def of_runs(store: RunStore, runs: Sequence[Run]) -> Reviewed:
    """Judge for each scenario on each machine the first of these runs that has trials of it.

    Raises:
        BadInput: none has any trial.
    """
    return _review(store, runs, (), (), f"{', '.join(run.id for run in runs)} has")


def newest(store: RunStore, machines: Sequence[str] = (), scenarios: Sequence[str] = ()) -> Comparison:
    """Judge for each scenario on each machine the newest run that has trials of it.

    Raises:
        BadInput: no run has trials of a machine or scenario that is named.
    """
    return _review(store, list(store.newest_first()), machines, scenarios, "the stored runs have").comparison


def _review(
    store: RunStore, runs: Sequence[Run], machines: Sequence[str], scenarios: Sequence[str], who_has: str
) -> Reviewed:
    holders = _holders(store, runs)
    wanted_scenarios = _wanted(scenarios, [scenario for scenario, _ in holders], who_has)
    wanted_machines = _wanted(machines, [machine for _, machine in holders], who_has)
    cells: list[Cell] = []
    trials: list[Judged] = []
    left_out: list[LeftOut] = []
    ran_on: dict[str, RanOn] = {}
    used: dict[str, Scenario] = {}
    for scenario in wanted_scenarios:
        for machine in wanted_machines:
            run = holders.get((scenario, machine))
            if run is None:
                continue
            ran_on.setdefault(machine, run.machines[machine])
            reason = store.left_out(run, machine, scenario)
            if reason:
                left_out.append(LeftOut(machine, scenario, reason))
            else:
                judged = _judged(store, run, machine, scenario)
                verdicts = [each.verdict for each in judged]
                cells.append(comparison.cell(machine, run.machines[machine], run.scenarios[scenario], verdicts))
                trials += judged
                used.setdefault(scenario, run.scenarios[scenario])
    return Reviewed(Comparison(ran_on, tuple(cells), used, tuple(left_out)), tuple(trials))


def _holders(store: RunStore, runs: Sequence[Run]) -> dict[tuple[str, str], Run]:
    """Give for each scenario and machine the first of these runs that has trials of them.

    A machine that has become another since, such as CentOS after a replica, begins anew: the two are never mixed.
    """
    holders: dict[tuple[str, str], Run] = {}
    newest: dict[str, RanOn] = {}
    for run in runs:
        for scenario in run.scenarios:
            for machine, ran_on in run.machines.items():
                has_any = store.trials(run, machine, scenario) or store.left_out(run, machine, scenario)
                if (scenario, machine) in holders or not has_any:
                    continue
                known = newest.setdefault(machine, ran_on)
                if (known.kernel, known.era, known.replica) == (ran_on.kernel, ran_on.era, ran_on.replica):
                    holders[scenario, machine] = run
    return holders


def _wanted(named: Sequence[str], known: Sequence[str], who_has: str) -> list[str]:
    """Give those that are named, or all that are known, each once."""
    if not known:
        raise BadInput(f"nothing to compare: {who_has} no trials", hint="make some: lab run --help")
    for name in named:
        if name not in known:
            there_are = ", ".join(dict.fromkeys(known))
            raise BadInput(f"no trials of '{name}' are stored; {who_has} trials of: {there_are}")
    return list(dict.fromkeys(named or known))


def _judged(store: RunStore, run: Run, machine: str, name: str) -> list[Judged]:
    scenario = run.scenarios[name]
    # Without the lifelines, which no table needs: of a thousand trials they would fill the memory.
    return [
        Judged(
            run.id,
            machine,
            name,
            int(path.name),
            path,
            replace(verdict.judge(trial.read(path), scenario), lifelines=()),
        )
        for path in store.trials(run, machine, name)
    ]
