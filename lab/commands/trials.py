"""Makes trials of scenarios on running machines: what `lab run` shares with other verbs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.catalogue.machine import Machine
from lab.catalogue.scenario import Outside, Scenario
from lab.comparison import review
from lab.comparison.cells import Comparison
from lab.endpoint.ssh import ProgramFailedError, Shell
from lab.foundation.errors import LabError
from lab.foundation.parallel import for_each
from lab.foundation.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.foundation.work import UnitsDone
from lab.judgement.outcome import Outcome
from lab.judgement.recorder import TrialRecorder
from lab.provision.facts import Facts
from lab.runs import experiment, lanes, product
from lab.runs.run import RanOn, Run
from lab.runs.trial_stream import Begun
from lab.session.machine import ChosenMachine
from lab.session.session import Session

MOST_FAILURES = 3
"""So many scenarios that fail one after another show that the machine fails, not the scenario."""


@dataclass(frozen=True)
class TrialOptions:
    """How trials are made.

    Attributes:
        trials: How many of each scenario on each machine.
        lanes: The upper limit of trials side by side; None for as many as the machine's processors bear.
        evidence: Make more trials with everything traced; reported apart, since tracing changes timing.
        traced: How many more; as many as without evidence when None.
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

    @property
    def in_all(self) -> int:
        """How many trials of each scenario are made on each machine."""
        return self.trials + self.with_evidence


@dataclass(frozen=True)
class RunDone:
    """A finished run.

    Attributes:
        run: What was run on what.
        path: Where its raw files are.
        comparison: The comparison of its machines.
    """

    run: Run
    path: Path
    comparison: Comparison


def run_on(
    session: Session, machines: Sequence[ChosenMachine], scenarios: Sequence[Scenario], how: TrialOptions
) -> Result[RunDone]:
    """Make trials of scenarios on machines, which the caller has locked for itself.

    Raises:
        BadInput: the run to add to does not exist, or fits no longer.
        BrokenEnvironment: a machine is not running, or went away; finished trials are kept.
        Cancelled: the user interrupted; finished trials are kept.
    """
    facts = for_each(machines, lambda machine: session.provisioned(machine, stap=how.stap), session.work)
    ran_on = {machine.name: _ran_on(session, machine, known) for machine, known in zip(machines, facts, strict=True)}
    store = session.store
    if how.into:
        stored = store.extend(how.into, ran_on, scenarios, how.trials)
    else:
        stored = store.begin(ran_on, scenarios, how.trials)
    try:
        for_each(machines, lambda machine: on_machine(session, stored, machine, scenarios, how), session.work)
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
    # If the run was extended, only its new cells.
    names = [machine.name for machine in machines], [scenario.name for scenario in scenarios]
    comparison = review.judge_run(store, stored, *names)
    status = AS_ASKED if comparison.as_expected else NOT_AS_EXPECTED
    return Result(RunDone(stored, store.path(stored), comparison), status)


def _ran_on(session: Session, machine: Machine, facts: Facts) -> RanOn:
    """Return a machine as it is now, and report why its packets are not queued by the hook module."""
    if facts.why_not_hook:
        rule = f"its packets are queued by a rule of {facts.queued_by}"
        session.work.note(f"{rule}: {facts.why_not_hook}", machine.name)
    return RanOn(
        kernel=facts.kernel,
        era=machine.era,
        system=machine.kind,
        title=machine.title,
        distribution=facts.system,
        verified=machine.verified,
        queued_by=facts.queued_by,
    )


def on_machine(
    session: Session, stored: Run, machine: ChosenMachine, scenarios: Sequence[Scenario], how: TrialOptions
) -> None:
    """Make the trials of all scenarios on one machine.

    A scenario that fails while the machine still answers does not end the others, unless several fail in a row. The
    first failure is raised at the end.

    Raises:
        ProgramFailedError: a scenario failed.
        BrokenEnvironment: the machine is not running, or went away.
    """
    queued_by = stored.machines[machine.name].queued_by
    failure: ProgramFailedError | None = None
    in_a_row, total = 0, len(scenarios) * how.in_all
    for position, scenario in enumerate(scenarios):
        session.work.emit(UnitsDone(machine.name, position * how.in_all, total, "trials"))
        try:
            _cell(session, stored, machine, experiment.adapt(scenario, queued_by), how)
        except experiment.UnsupportedScenario as lacks:
            session.store.leave_out(stored, machine.name, scenario.name, str(lacks))
            session.work.note(f"{scenario.name} is left out: {lacks}", machine.name)
        except ProgramFailedError as error:
            session.work.note(f"{scenario.name} failed: {error.message}", machine.name)
            failure = failure or error
            in_a_row += 1
            if in_a_row == MOST_FAILURES:
                break
        else:
            in_a_row = 0
    if failure:
        raise failure
    session.work.emit(UnitsDone(machine.name, total, total, "trials"))


def _cell(session: Session, stored: Run, machine: ChosenMachine, scenario: Scenario, how: TrialOptions) -> None:
    """Make a cell's trials: first those without evidence, whose timing is undisturbed."""
    # An extended run continues the numbers.
    before = len(session.store.trials(stored, machine.name, scenario.name))
    cell = _CellTrials(session, stored, machine, scenario, how, before)
    cell.make(before + 1, how.trials, evidence=False)
    if how.with_evidence:
        cell.make(before + how.trials + 1, how.with_evidence, evidence=True)


@dataclass(frozen=True)
class _CellTrials:
    """The trials of a scenario on a machine, numbered after those that the run already has of it."""

    session: Session
    stored: Run
    machine: ChosenMachine
    scenario: Scenario
    how: TrialOptions
    before: int

    def make(self, first: int, wanted: int, *, evidence: bool) -> None:
        """Make trials, store and judge each."""
        how, scenario, shell = self.how, self.scenario, self.session.shell(self.machine)
        possible = how.lanes or lanes.default(self.machine.cpus)
        # As many trials side by side without evidence as with it, so that tracing is the only difference.
        alike = how.evidence and how.traced is None
        count = min(possible, wanted, lanes.most(scenario, traced=evidence or alike or how.stap))
        lowering = lanes.Lowering(count)
        recorder, must_arm = self._recorder, scenario.arms and not scenario.may_stay_unarmed
        if scenario.brings:
            product.send(shell, scenario, self.session.home.cache, self.session.work)
        with experiment.prepare(shell, scenario, count, evidence=evidence, stap=how.stap):
            for trial in experiment.trials(shell, scenario, count, first, wanted):
                if isinstance(trial, Begun):
                    recorder.begin(trial, self._total)
                    lowering.began(trial.number)
                else:
                    verdict = recorder.end(trial, self._total)
                    if verdict.outcome is Outcome.NOT_STARTED and trial.number == first:
                        self.session.work.note(verdict.reason, self.machine.name)
                    if lowering.ended(trial.number, armed=verdict.armed if must_arm else None):
                        self._lower(shell, lowering.lanes)

    @property
    def _recorder(self) -> TrialRecorder:
        session, machine = self.session, self.machine.name
        return TrialRecorder(session.store, self.stored, machine, machine, self.scenario, session.work)

    @property
    def _total(self) -> int:
        return self.before + self.how.in_all

    def _lower(self, shell: Shell, count: int) -> None:
        experiment.limit(shell, count)
        self.session.work.note(
            f"{self.scenario.name}: the race was not armed in many trials; from here on {count} at a time",
            self.machine.name,
        )
