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
from lab.home import SCENARIOS
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
        evidence: Make some again with everything traced; both are reported, since tracing changes timing.
        traced: How many; as many as without when None.
        stap: Trace each trial with systemtap.
        outside: A real name and resolver instead of the test network's.
        into: The stored run that the trials are added to; a new one for None.
    """

    trials: int
    lanes: int | None = None
    evidence: bool = False
    traced: int | None = None
    stap: bool = False
    outside: Outside | None = None
    into: str | None = None

    @property
    def with_evidence(self) -> int:
        """How many trials are made with everything traced."""
        wanted = self.trials if self.traced is None else self.traced
        return wanted if self.evidence else 0


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


def run(
    session: Session,
    machine_names: Sequence[str],
    scenario_names: Sequence[str],
    how: How,
    kernel_names: Sequence[str] = (),
) -> Result[RunDone]:
    """Make trials of each scenario on each machine, the machines side by side.

    Args:
        session: The lab in use.
        machine_names: Running machines; all that run for none, unless kernels are named.
        scenario_names: All scenarios for none.
        how: How trials are made.
        kernel_names: Kernels that were added; those that do not run are brought up, and halted at the end.

    Raises:
        BadInput: there is no such machine or scenario.
        BrokenEnvironment: a machine is not running, or went away; every trial made until then is kept.
        Cancelled: likewise.
    """
    scenarios = [_aimed(scenario, how) for scenario in find.scenarios(SCENARIOS, scenario_names)]
    if not kernel_names:
        return run_scenarios(session, machine_names, scenarios, how)
    kernels = kernels_to_run(session, kernel_names)
    running = session.as_they_are(session.find(machine_names)) if machine_names else []
    machines = [*{machine.name: machine for machine in (*running, *kernels)}.values()]
    with session.using(*machines), session.up_meanwhile(kernels):
        return run_on(session, machines, scenarios, how)


def kernels_to_run(session: Session, names: Sequence[str]) -> list[Machine]:
    """Give kernels as machines on which trials can be made.

    Raises:
        BadInput: there is no such kernel, or one lacks what every trial needs.
    """
    for name in names:
        kernel = session.kernels.get(name)
        if kernel.lacks:
            raise BadInput(
                f"no trial can be made on kernel {name}: it has no {', '.join(kernel.lacks)}",
                hint="if a package of its modules was forgotten, add it again with all of them",
            )
    return session.as_they_are(session.find(names))


def run_scenarios(
    session: Session, machine_names: Sequence[str], scenarios: Sequence[Scenario], how: How
) -> Result[RunDone]:
    """Do as `run`, with scenarios that need not be in any file."""
    definitions = session.find(machine_names)
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
    for machine, found in zip(machines, facts, strict=True):
        if found.why_not_hook:
            rule = f"its packets are queued by a rule of {found.queued_by}"
            session.work.note(f"{rule}: {found.why_not_hook}", machine.name)
    ran_on = {
        machine.name: RanOn(
            kernel=found.kernel,
            era=machine.era,
            replica=machine.replica,
            title=machine.title,
            system=found.system,
            added=machine.added,
            queued_by=found.queued_by,
        )
        for machine, found in zip(machines, facts, strict=True)
    }
    store = session.store
    if how.into:
        stored = store.extend(how.into, ran_on, scenarios, how.trials)
    else:
        stored = store.begin(ran_on, scenarios, how.trials)
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
    stored = store.finish(stored)
    # Of a run that was added to, what was added.
    names = [machine.name for machine in machines], [scenario.name for scenario in scenarios]
    comparison = review.of_run(store, stored, *names)
    status = AS_ASKED if comparison.as_expected else NOT_AS_EXPECTED
    return Result(RunDone(stored, store.path(stored), comparison), status)


def _aimed(scenario: Scenario, how: How) -> Scenario:
    aimed = scenario.aimed(how.outside) if how.outside else scenario
    if aimed is None:
        raise BadInput(
            f"{scenario.name} is about the test network's own servers and cannot be aimed elsewhere",
            hint="name others: --scenario nfqueue",
        )
    return aimed


def _on(session: Session, stored: Run, machine: Machine, scenarios: Sequence[Scenario], how: How) -> None:
    queued_by = stored.machines[machine.name].queued_by
    for scenario in scenarios:
        try:
            _cell(session, stored, machine, experiment.on(scenario, queued_by), how)
        except experiment.LeftOut as lacks:
            session.store.leave_out(stored, machine.name, scenario.name, str(lacks))
            session.work.note(f"{scenario.name} is left out: {lacks}", machine.name)


def _cell(session: Session, stored: Run, machine: Machine, scenario: Scenario, how: How) -> None:
    """Make a cell's trials: first those without evidence, whose timing nothing disturbs."""
    # In a run that is added to, the numbers go on.
    before = len(session.store.trials(stored, machine.name, scenario.name))
    cell = _Cell(session, stored, machine, scenario, how, before)
    cell.make(before + 1, how.trials, evidence=False)
    if how.with_evidence:
        cell.make(before + how.trials + 1, how.with_evidence, evidence=True)


@dataclass(frozen=True)
class _Cell:
    """The trials of a scenario on a machine, behind those that the run has of it already."""

    session: Session
    stored: Run
    machine: Machine
    scenario: Scenario
    how: How
    before: int

    def make(self, first: int, wanted: int, *, evidence: bool) -> None:
        """Make trials, store and judge each."""
        how, scenario, shell = self.how, self.scenario, self.session.shell(self.machine)
        possible = how.lanes or lanes.default(self.machine.cpus)
        # As many trials without evidence as with it are made as those are, so that tracing is all the difference.
        alike = how.evidence and how.traced is None
        count = min(possible, wanted, lanes.most(scenario, traced=evidence or alike or how.stap))
        lowering = lanes.Lowering(count)
        with experiment.prepared(shell, scenario, count, evidence=evidence, stap=how.stap):
            for trial in experiment.trials(shell, scenario, count, first, wanted):
                if isinstance(trial, Begun):
                    self._say_begun(trial)
                    lowering.began(trial.number)
                else:
                    armed = self._take(trial)
                    wanted_armed = scenario.arms and not scenario.may_stay_unarmed
                    if lowering.ended(trial.number, armed=armed if wanted_armed else None):
                        self._lower(shell, lowering.lanes)

    def _say_begun(self, trial: Begun) -> None:
        retry_s = self.scenario.lookup.client.retry_s
        self.session.work.emit(TrialStarted(self.machine.name, self.scenario.name, trial.number, self._total, retry_s))

    @property
    def _total(self) -> int:
        return self.before + self.how.trials + self.how.with_evidence

    def _take(self, trial: Ended) -> bool | None:
        """Store and judge a trial, and say whether it was armed."""
        session, machine, scenario = self.session, self.machine.name, self.scenario
        path = session.store.add_trial(self.stored, machine, scenario.name, trial.number, trial.files)
        judged = verdict.judge(evidence_of.read(path), scenario)
        session.work.emit(
            TrialEnded(machine, scenario.name, trial.number, self._total, judged.outcome, judged.lookup_s)
        )
        return judged.armed

    def _lower(self, shell: Shell, count: int) -> None:
        experiment.limit(shell, count)
        self.session.work.note(
            f"{self.scenario.name}: the race was not armed in many trials; from here on {count} at a time",
            self.machine.name,
        )
