"""`lab check`: which of the three behaviours a machine's own kernel has, found out in namespaces made for it."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lab import verdict
from lab.catalogue.scenario import Scenario
from lab.checking import look, plan, program, trials
from lab.checking.look import Look
from lab.checking.plan import Plan
from lab.checking.reach import Here, Reach, There
from lab.classification import Classification, classify
from lab.endpoint import Account
from lab.errors import BadInput, BrokenEnvironment
from lab.evidence import trial as evidence_of
from lab.raw_files import Begun, Ended
from lab.result import AS_ASKED, BROKEN, NOT_AS_EXPECTED, Result
from lab.session import Session
from lab.ssh import Shell
from lab.store import RanOn, Run
from lab.verdict import Verdict
from lab.work import TrialEnded, TrialStarted

HERE = "this-machine"
"""What the machine at hand is called in a stored run."""


@dataclass(frozen=True)
class Ask:
    """What is asked for.

    Attributes:
        account: The machine; None for the one at hand.
        trials: How many trials are made side by side.
        load: Load modules without asking.
        dry: Only say what would be done.
        named: Whether the sentence for a ticket names the machine.
    """

    account: Account | None
    trials: int
    load: bool = False
    dry: bool = False
    named: bool = False


@dataclass(frozen=True)
class Planned:
    """What would be done.

    Attributes:
        machine: Where.
        look: What it has.
        plan: What would be done there.
        trials: How many trials would be made.
    """

    machine: str
    look: Look
    plan: Plan
    trials: int


@dataclass(frozen=True)
class Checked:
    """What was found out.

    Attributes:
        machine: Where.
        look: What it has.
        plan: What was done there.
        run: The stored run.
        path: Where its raw files are.
        found: What its kernel does.
        verdicts: How each trial went.
        named: Whether the sentence for a ticket shall name the machine.
        left: Modules that were loaded for the check and are still there.
    """

    machine: str
    look: Look
    plan: Plan
    run: Run
    path: Path
    found: Classification
    verdicts: tuple[Verdict, ...]
    named: bool
    left: tuple[str, ...]


def check(session: Session, ask: Ask) -> Result[Checked] | Result[Planned]:
    """Find out what a machine's kernel does with two queries of one flow.

    Args:
        session: The lab in use.
        ask: What is asked for.

    Raises:
        BadInput: modules would have to be loaded, and nobody said that they may.
        BrokenEnvironment: the machine lacks something, does not let us in, or went away; finished trials are kept.
        Cancelled: likewise.
    """
    name = ask.account.machine if ask.account else HERE
    with ExitStack() as stack:
        reach = _reach(session, ask, stack)
        with session.work.step("looking at its kernel", name):
            seen = look.parse(reach.look(plan.MODULES))
        planned = plan.of(seen, program.architecture())
        if ask.dry:
            return Result(Planned(name, seen, planned, ask.trials + trials.AGAIN), AS_ASKED)
        _require_leave(session, name, planned, load=ask.load)
        built = program.built(session.home, session.work)
        experiment = _Experiment(session, name, seen, planned, trials.scenario(planned), ask.trials)
        run = experiment.make(reach, built)
        left = _left(reach, seen, planned)
    return _judged(session, run, experiment, named=ask.named, left=left)


def _reach(session: Session, ask: Ask, stack: ExitStack) -> Reach:
    if ask.account is None:
        return Here(session.work)
    with session.work.step("logging in", ask.account.machine):
        return There(stack.enter_context(Shell(ask.account, session.work)))


def _require_leave(session: Session, name: str, planned: Plan, *, load: bool) -> None:
    """Load nothing that the user has not heard of."""
    if not planned.load or load:
        return
    names = ", ".join(planned.load)
    lines = [
        f"On {name} these modules would be loaded, and unloaded at the end: {names}.",
        *(f"- {meaning}" for meaning in planned.meaning),
    ]
    if not session.work.may("\n".join([*lines, "Load them?"])):
        raise BadInput(
            f"nothing was done: on {name} modules would have to be loaded, and unloaded again: {names}",
            hint="say that they may be: --yes; what that means: --dry-run",
        )


@dataclass(frozen=True)
class _Experiment:
    """The trials on one machine."""

    session: Session
    name: str
    look: Look
    plan: Plan
    scenario: Scenario
    trials: int

    @property
    def directory(self) -> str:
        """What the machine is called in the store, which makes a directory of it."""
        return re.sub(r"[^A-Za-z0-9.-]", "-", self.name)

    def make(self, reach: Reach, built: Path) -> Run:
        """Make the trials, and store and judge each."""
        store, look = self.session.store, self.look
        title = f"{look.distribution or 'a machine'}, as it is"
        ran_on = RanOn(kernel=look.kernel, era=None, replica=look.is_replica, title=title, system=look.distribution)
        run = store.begin({self.directory: ran_on}, [self.scenario], self.trials + trials.AGAIN)
        armed: list[bool] = []
        with self.session.work.step(f"making {self.trials + trials.AGAIN} trials side by side", self.name):
            for trial in trials.make(reach, built, self.plan, self.trials, lambda: any(armed)):
                self._take(run, trial, armed)
        return store.finish(run)

    def _take(self, run: Run, trial: Begun | Ended, armed: list[bool]) -> None:
        session, scenario, number = self.session, self.scenario, trial.number
        total = max(number, self.trials + trials.AGAIN)
        if isinstance(trial, Begun):
            retry_s = scenario.lookup.client.retry_s
            session.work.emit(TrialStarted(self.name, scenario.name, number, total, retry_s))
            return
        path = session.store.add_trial(run, self.directory, scenario.name, number, trial.files)
        judged = verdict.judge(evidence_of.read(path), scenario)
        armed.append(bool(judged.armed))
        session.work.emit(TrialEnded(self.name, scenario.name, number, total, judged.outcome, judged.lookup_s))


def _left(reach: Reach, before: Look, planned: Plan) -> tuple[str, ...]:
    """Look whether what was loaded is gone."""
    if not planned.load:
        return ()
    after = look.parse(reach.look(())).loaded
    return tuple(module for module in planned.load if module in after - before.loaded)


def _judged(
    session: Session, run: Run, experiment: _Experiment, *, named: bool, left: tuple[str, ...]
) -> Result[Checked]:
    evidences = [
        evidence_of.read(path) for path in session.store.trials(run, experiment.directory, experiment.scenario.name)
    ]
    if not evidences:
        raise BrokenEnvironment(f"{experiment.name}: no trial was made")
    pairs = [(verdict.judge(evidence, experiment.scenario), evidence) for evidence in evidences]
    found = classify(experiment.scenario, pairs)
    checked = Checked(
        machine=experiment.name,
        look=experiment.look,
        plan=experiment.plan,
        run=run,
        path=session.store.path(run),
        found=found,
        verdicts=tuple(judged for judged, _ in pairs),
        named=named,
        left=left,
    )
    return Result(checked, _status(found))


def _status(found: Classification) -> int:
    if found.stalled:
        return NOT_AS_EXPECTED
    return BROKEN if found.era is None else AS_ASKED
