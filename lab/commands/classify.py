"""`lab classify`: which era a kernel is of, by experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab import classification, verdict
from lab.catalogue import find
from lab.catalogue.machine import Machine
from lab.catalogue.scenario import Scenario
from lab.classification import Classification
from lab.commands.run import How, run_on
from lab.evidence import trial as evidence_of
from lab.experiment import on
from lab.home import SCENARIOS
from lab.kernels.store import Classified
from lab.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.session import Session
from lab.store import RanOn, Run, trial_name

SCENARIO = "nfqueue"
"""It arms the race in every trial, and nothing but the kernel decides what comes of it."""

TRIALS = How(trials=3, evidence=True, traced=1)
"""Side by side without a trace, which would make them slower, and one with everything traced."""

ATTEMPTS = 2
"""A machine that is too busy may arm no trial."""


@dataclass(frozen=True)
class KernelClassified:
    """What was found of one machine's kernel.

    Attributes:
        name: The machine.
        ran_on: The machine as it was; None when no trial could be made.
        found: Its era, or why it cannot be told.
        trials: The names of its trials, as `lab show` takes them.
        run: The run that has them; None likewise.
    """

    name: str
    ran_on: RanOn | None
    found: Classification
    trials: tuple[str, ...] = ()
    run: str | None = None


@dataclass(frozen=True)
class KernelsClassified:
    """What was found of the kernels of machines."""

    machines: tuple[KernelClassified, ...]


def classify(session: Session, names: Sequence[str]) -> Result[KernelsClassified]:
    """Find out which era the kernels of machines are of; what does not run is up meanwhile.

    What the lab believes to know of a machine has no part in it.

    Args:
        session: The lab in use.
        names: Machines, and kernels that were added.

    Raises:
        BadInput: there is no such machine or kernel.
        BrokenEnvironment: one could not be brought up, or went away.
    """
    (scenario,) = find.scenarios(SCENARIOS, [SCENARIO])
    definitions = session.find(names)
    lacking = {name: _lacking(session, name) for name in dict.fromkeys(names) if name in session.kernels.names()}
    found = {name: why for name, why in lacking.items() if why}
    with session.using(*definitions):
        machines = session.as_they_are([one for one in definitions if one.name not in found])
        with session.up_meanwhile(machines):
            found |= _tried(session, machines, scenario)
    in_order = tuple(found[one.name] for one in definitions)
    all_known = all(one.found.era for one in in_order)
    return Result(KernelsClassified(in_order), AS_ASKED if all_known else NOT_AS_EXPECTED)


def _lacking(session: Session, name: str) -> KernelClassified | None:
    """Say of a kernel that there is nothing to try, where its own lists of modules tell; None where there is."""
    kernel = session.kernels.get(name)
    if not kernel.lacks:
        return None
    reason = (
        f"it has no {', '.join(kernel.lacks)}, neither as a module nor built in; either packages of its modules "
        "were not given, or nothing can wait in NFQUEUE and clash there"
    )
    return KernelClassified(name, None, Classification(None, None, reason, 0, 0, ()))


def _tried(session: Session, machines: Sequence[Machine], scenario: Scenario) -> dict[str, KernelClassified]:
    """Make trials, and once more with those machines whose kernels they did not tell."""
    found: dict[str, KernelClassified] = {}
    for _ in range(ATTEMPTS):
        unknown = [machine for machine in machines if machine.name not in found or not found[machine.name].found.era]
        if not unknown:
            break
        run = run_on(session, unknown, [scenario], TRIALS).data.run
        found |= {machine.name: _read(session, run, machine.name) for machine in unknown}
    for machine in machines:
        if machine.added:
            _remember(session, found[machine.name])
    return found


def _read(session: Session, run: Run, name: str) -> KernelClassified:
    ran_on = run.machines[name]
    left_out = session.store.left_out(run, name, SCENARIO)
    if left_out:
        return KernelClassified(name, ran_on, Classification(None, None, left_out, 0, 0, ()), (), run.id)
    scenario = on(run.scenarios[SCENARIO], ran_on.queued_by)
    paths = session.store.trials(run, name, SCENARIO)
    evidence = [evidence_of.read(path) for path in paths]
    judged = [(verdict.judge(one, scenario), one) for one in evidence]
    trials = tuple(trial_name(name, SCENARIO, path) for path in paths)
    return KernelClassified(name, ran_on, classification.classify(scenario, judged), trials, run.id)


def _remember(session: Session, known: KernelClassified) -> None:
    era = known.found.era
    classified = Classified(era=era, reason=known.found.reason, run=known.run or "") if era else None
    session.kernels.classified(known.name, classified)
