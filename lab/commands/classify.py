"""`lab classify`: the era of a kernel, by experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.catalogue import find
from lab.catalogue.machine import System
from lab.catalogue.scenario import Scenario
from lab.commands.trials import TrialOptions, run_on
from lab.foundation.home import SCENARIOS
from lab.foundation.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.judgement import era
from lab.judgement.era import Classification
from lab.judgement.judged import judge_trial
from lab.kernels.store import Classified
from lab.runs.experiment import adapt
from lab.runs.run import RanOn, Run
from lab.runs.store import trial_name
from lab.session.machine import ChosenMachine
from lab.session.session import Session

SCENARIO = "nfqueue"
"""It arms the race in every trial, and the outcome depends on the kernel alone."""

TRIALS = TrialOptions(trials=3, evidence=True, traced=1)
"""Side by side without a trace, which would slow them down, and one more with everything traced."""

ATTEMPTS = 2
"""On a busy machine it may happen that no trial is armed."""


@dataclass(frozen=True)
class KernelClassified:
    """The era of one machine's kernel.

    Attributes:
        name: The machine.
        ran_on: The machine as it was; None when no trial could be made.
        found: Its era, or why it is not known.
        trials: The names of its trials, for `lab show`.
        run: The run that has them; None when no trial could be made.
    """

    name: str
    ran_on: RanOn | None
    found: Classification
    trials: tuple[str, ...] = ()
    run: str | None = None


@dataclass(frozen=True)
class KernelsClassified:
    """The eras of the kernels of machines."""

    machines: tuple[KernelClassified, ...]


def classify(session: Session, names: Sequence[str]) -> Result[KernelsClassified]:
    """Find out the eras of the kernels of machines; those that do not run are brought up meanwhile.

    Only trials count, not what the catalogue says of a machine.

    Args:
        session: The lab in use.
        names: Machines, and kernels that were added.

    Raises:
        BadInput: there is no such machine or kernel.
        BrokenEnvironment: one could not be brought up, or went away.
    """
    (scenario,) = find.scenarios(SCENARIOS, [SCENARIO])
    definitions = session.find(names)
    unfit = {one.name: _unfit(session, one.name) for one in definitions if one.added}
    results = {name: result for name, result in unfit.items() if result}
    with session.using(*definitions):
        machines = session.current([one for one in definitions if one.name not in results])
        with session.up_meanwhile(machines):
            results |= _tried(session, machines, scenario)
    in_order = tuple(results[one.name] for one in definitions)
    all_known = all(one.found.era for one in in_order)
    return Result(KernelsClassified(in_order), AS_ASKED if all_known else NOT_AS_EXPECTED)


def _unfit(session: Session, name: str) -> KernelClassified | None:
    """Return the result for a kernel that lacks a module every trial needs; None for a kernel that can be tried."""
    kernel = session.kernels.get(name)
    if not kernel.lacks:
        return None
    reason = (
        f"it has no {', '.join(kernel.lacks)}, neither as a module nor built in; either packages of its modules "
        "were not given, or nothing can wait in NFQUEUE and clash there"
    )
    return KernelClassified(name, None, Classification(None, None, reason, 0, 0, ()))


def _tried(session: Session, machines: Sequence[ChosenMachine], scenario: Scenario) -> dict[str, KernelClassified]:
    """Make trials, and repeat them on the machines whose eras they did not show."""
    results: dict[str, KernelClassified] = {}
    for _ in range(ATTEMPTS):
        unknown = [one for one in machines if one.name not in results or not results[one.name].found.era]
        if not unknown:
            break
        run = run_on(session, unknown, [scenario], TRIALS).data.run
        results |= {machine.name: _read(session, run, machine.name) for machine in unknown}
    for machine in machines:
        if machine.kind is System.ADDED:
            _remember(session, results[machine.name])
    return results


def _read(session: Session, run: Run, name: str) -> KernelClassified:
    ran_on = run.machines[name]
    left_out = session.store.left_out(run, name, SCENARIO)
    if left_out:
        return KernelClassified(name, ran_on, Classification(None, None, left_out, 0, 0, ()), (), run.id)
    scenario = adapt(run.scenarios[SCENARIO], ran_on.queued_by)
    paths = session.store.trials(run, name, SCENARIO)
    classification = era.classify(scenario, [judge_trial(path, scenario) for path in paths])
    trials = tuple(trial_name(name, SCENARIO, path) for path in paths)
    return KernelClassified(name, ran_on, classification, trials, run.id)


def _remember(session: Session, known: KernelClassified) -> None:
    found = known.found
    classified = Classified(era=found.era, reason=found.reason, run=known.run or "") if found.era else None
    session.kernels.classified(known.name, classified)
