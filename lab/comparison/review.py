"""Judges stored runs: every figure is recomputed from the raw files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.catalogue.scenario import Scenario
from lab.comparison.cells import Cell, Comparison, LeftOut, cell
from lab.foundation.errors import BadInput
from lab.judgement.judged import judge_cell
from lab.judgement.outcome import Verdict
from lab.runs.run import RanOn, Run
from lab.runs.store import RunStore


@dataclass(frozen=True)
class Judged:
    """A judged trial.

    Attributes:
        run: The run's name.
        machine: The machine's name.
        scenario: The scenario's name.
        number: Trial number, from 1.
        path: The directory of its raw files.
        verdict: The verdict without lifelines.
    """

    run: str
    machine: str
    scenario: str
    number: int
    path: Path
    verdict: Verdict


@dataclass(frozen=True)
class Reviewed:
    """Stored trials with their verdicts, and their comparison.

    Attributes:
        comparison: The comparison of the machines.
        trials: The trials, ordered by scenario, then machine.
    """

    comparison: Comparison
    trials: tuple[Judged, ...]


def judge_run(store: RunStore, run: Run, machines: Sequence[str] = (), scenarios: Sequence[str] = ()) -> Comparison:
    """Judge one run, or only the named machines and scenarios of it.

    Raises:
        BadInput: the run has no such trial.
    """
    return _review(store, [run], machines, scenarios, f"run {run.id} has").comparison


def judge_runs(store: RunStore, runs: Sequence[Run]) -> Reviewed:
    """Judge several runs: for each scenario and machine the first run that has trials of it.

    Raises:
        BadInput: no run has any trial.
    """
    return _review(store, runs, (), (), f"{', '.join(run.id for run in runs)} has", keep_trials=True)


def judge_newest(store: RunStore, machines: Sequence[str] = (), scenarios: Sequence[str] = ()) -> Comparison:
    """Judge the newest trials: for each scenario and machine the newest run that has trials of it.

    Raises:
        BadInput: no run has trials of a named machine or scenario.
    """
    return _review(store, list(store.newest_first()), machines, scenarios, "the stored runs have").comparison


def _review(  # noqa: PLR0913  what is asked for
    store: RunStore,
    runs: Sequence[Run],
    machines: Sequence[str],
    scenarios: Sequence[str],
    holder: str,
    *,
    keep_trials: bool = False,
) -> Reviewed:
    holders = _holders(store, runs)
    wanted_scenarios = _select(scenarios, [scenario for scenario, _ in holders], holder)
    wanted_machines = _select(machines, [machine for _, machine in holders], holder)
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
                paths = store.trials(run, machine, scenario)
                verdicts = judge_cell(paths, run.scenarios[scenario])
                cells.append(cell(machine, run.machines[machine], run.scenarios[scenario], verdicts))
                if keep_trials:
                    trials += _judged(run, machine, scenario, paths, verdicts)
                used.setdefault(scenario, run.scenarios[scenario])
    return Reviewed(Comparison(ran_on, tuple(cells), used, tuple(left_out)), tuple(trials))


def _holders(store: RunStore, runs: Sequence[Run]) -> dict[tuple[str, str], Run]:
    """Return for each scenario and machine the first run that has trials of them.

    Runs of a machine with another kernel or system than its newest run are ignored: the two are never mixed.
    """
    holders: dict[tuple[str, str], Run] = {}
    newest: dict[str, RanOn] = {}
    for run in runs:
        for scenario in run.scenarios:
            for machine, ran_on in run.machines.items():
                if (scenario, machine) in holders or not store.has_any(run, machine, scenario):
                    continue
                known = newest.setdefault(machine, ran_on)
                if (known.kernel, known.era, known.system) == (ran_on.kernel, ran_on.era, ran_on.system):
                    holders[scenario, machine] = run
    return holders


def _select(named: Sequence[str], known: Sequence[str], holder: str) -> list[str]:
    """Return the named items, or all known ones, without duplicates.

    Raises:
        BadInput: nothing is known, or a name is unknown.
    """
    if not known:
        raise BadInput(f"nothing to compare: {holder} no trials", hint="run trials: lab run --help")
    for name in named:
        if name not in known:
            there_are = ", ".join(dict.fromkeys(known))
            raise BadInput(f"no trials of '{name}' are stored; {holder} trials of: {there_are}")
    return list(dict.fromkeys(named or known))


def _judged(
    run: Run, machine: str, scenario: str, paths: Sequence[Path], verdicts: Sequence[Verdict]
) -> Iterator[Judged]:
    for path, verdict in zip(paths, verdicts, strict=True):
        yield Judged(run.id, machine, scenario, int(path.name), path, verdict)
