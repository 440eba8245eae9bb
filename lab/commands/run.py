"""`lab run`: trials of scenarios on machines, stored and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import experiment, lanes, review, verdict
from lab.catalogue import find
from lab.catalogue.machine import Machine
from lab.catalogue.scenario import Outside, Scenario
from lab.comparison import Comparison
from lab.errors import BadInput, BrokenEnvironment, LabError
from lab.evidence import trial as evidence_of
from lab.home import MACHINES, SCENARIOS
from lab.parallel import for_each
from lab.provider.base import State
from lab.raw_files import Begun, Ended
from lab.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.session import Session
from lab.ssh import Shell
from lab.store import RanOn, Run
from lab.work import TrialEnded, TrialStarted


@dataclass(frozen=True)
class How:
    """How trials are made.

    Attributes:
        trials: How many of each scenario on each machine.
        lanes: How many are made side by side at most; as many as the machine has processors for when None.
        evidence: Make as many again with everything traced; both are reported, since tracing changes timing.
        stap: Trace each trial with systemtap.
        outside: A real name and resolver instead of the test network's.
    """

    trials: int
    lanes: int | None = None
    evidence: bool = False
    stap: bool = False
    outside: Outside | None = None


@dataclass(frozen=True)
class RunDone:
    """A run and what it showed.

    Attributes:
        run: What was run on what.
        path: Where its raw files are.
        comparison: Its machines side by side.
    """

    run: Run
    path: Path
    comparison: Comparison


def run(session: Session, machine_names: Sequence[str], scenario_names: Sequence[str], how: How) -> Result[RunDone]:
    """Make trials of each scenario on each machine, the machines side by side.

    Args:
        session: The lab in use.
        machine_names: Running machines; all that run for none.
        scenario_names: All scenarios for none.
        how: How trials are made.

    Raises:
        BadInput: there is no such machine or scenario.
        BrokenEnvironment: a machine is not running, or went away; every trial made until then is kept.
        Cancelled: likewise.
    """
    scenarios = [_aimed(scenario, how) for scenario in find.scenarios(SCENARIOS, scenario_names)]
    return run_scenarios(session, machine_names, scenarios, how)


def run_scenarios(
    session: Session, machine_names: Sequence[str], scenarios: Sequence[Scenario], how: How
) -> Result[RunDone]:
    """Do as `run`, with scenarios that need not be in any file."""
    definitions = find.machines(MACHINES, machine_names)
    machines = session.as_they_are(definitions)
    if not machine_names:
        machines = [machine for machine in machines if session.provider(machine).state(machine) is State.RUNNING]
    if not machines:
        raise BrokenEnvironment("no machine is running", hint="bring some up: lab up old new")
    with session.using(*machines):
        return run_on(session, machines, scenarios, how)


def run_on(session: Session, machines: Sequence[Machine], scenarios: Sequence[Scenario], how: How) -> Result[RunDone]:
    """Do as `run`, on machines that the caller keeps from other commands."""
    facts = for_each(machines, lambda machine: session.provisioned(machine, stap=how.stap), session.work)
    ran_on = {
        machine.name: RanOn(
            kernel=found.kernel, era=machine.era, replica=machine.replica, title=machine.title, system=found.system
        )
        for machine, found in zip(machines, facts, strict=True)
    }
    stored = session.store.begin(ran_on, scenarios, how.trials)
    try:
        for_each(machines, lambda machine: _on(session, stored, machine, scenarios, how), session.work)
    except LabError as error:
        kept = sum(
            len(session.store.trials(stored, machine.name, scenario.name))
            for machine in machines
            for scenario in scenarios
        )
        if kept:
            error.message += f" ({kept} finished trials are kept: lab compare --run {stored.id})"
        raise
    stored = session.store.finish(stored)
    comparison = review.of_run(session.store, stored)
    status = AS_ASKED if comparison.as_expected else NOT_AS_EXPECTED
    return Result(RunDone(stored, session.store.path(stored), comparison), status)


def _aimed(scenario: Scenario, how: How) -> Scenario:
    aimed = scenario.aimed(how.outside) if how.outside else scenario
    if aimed is None:
        raise BadInput(
            f"{scenario.name} is about the test network's own servers and cannot be aimed elsewhere",
            hint="name others: --scenario nfqueue",
        )
    return aimed


def _on(session: Session, stored: Run, machine: Machine, scenarios: Sequence[Scenario], how: How) -> None:
    for scenario in scenarios:
        try:
            _cell(session, stored, machine, scenario, how)
        except experiment.LeftOut as lacks:
            session.store.leave_out(stored, machine.name, scenario.name, str(lacks))
            session.work.note(f"{scenario.name} is left out: {lacks}", machine.name)


def _cell(session: Session, stored: Run, machine: Machine, scenario: Scenario, how: How) -> None:
    """Make a cell's trials: first those without evidence, whose timing nothing disturbs."""
    cell = _Cell(session, stored, machine, scenario, how)
    cell.make(first=1, evidence=False)
    if how.evidence:
        cell.make(first=how.trials + 1, evidence=True)


@dataclass(frozen=True)
class _Cell:
    """The trials of a scenario on a machine."""

    session: Session
    stored: Run
    machine: Machine
    scenario: Scenario
    how: How

    def make(self, *, first: int, evidence: bool) -> None:
        """Make as many trials as are wanted, store and judge each."""
        how, scenario, shell = self.how, self.scenario, self.session.shell(self.machine)
        wanted = how.lanes or lanes.default(self.machine.cpus)
        # Trials without evidence beside some with it are made as those are, so that tracing is all the difference.
        count = min(wanted, how.trials, lanes.most(scenario, traced=how.evidence or how.stap))
        lowering = lanes.Lowering(count)
        with experiment.prepared(shell, scenario, count, evidence=evidence, stap=how.stap):
            for trial in experiment.trials(shell, scenario, count, first, how.trials):
                armed = self._take(trial)
                if scenario.arms and not scenario.may_stay_unarmed and armed is not None:
                    self._lower(lowering, shell, armed=armed)

    def _take(self, trial: Begun | Ended) -> bool | None:
        """Store and judge a trial that has ended, and say whether it was armed."""
        session, machine, scenario = self.session, self.machine.name, self.scenario
        total = self.how.trials * (2 if self.how.evidence else 1)
        if isinstance(trial, Begun):
            retry_s = scenario.lookup.client.retry_s
            session.work.emit(TrialStarted(machine, scenario.name, trial.number, total, retry_s))
            return None
        path = session.store.add_trial(self.stored, machine, scenario.name, trial.number, trial.files)
        judged = verdict.judge(evidence_of.read(path), scenario)
        session.work.emit(TrialEnded(machine, scenario.name, trial.number, total, judged.outcome, judged.lookup_s))
        return judged.armed

    def _lower(self, lowering: lanes.Lowering, shell: Shell, *, armed: bool) -> None:
        if lowering.after(armed=armed):
            experiment.limit(shell, lowering.lanes)
            self.session.work.note(
                f"{self.scenario.name}: the race was not armed in many trials; from here on {lowering.lanes} at a time",
                self.machine.name,
            )
