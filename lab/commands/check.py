"""`lab check`: which of the three behaviours a machine's own kernel has, by trials in namespaces made for them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab.commands.check_result import Checked, Clashed, Planned
from lab.commands.check_trials import Experiment, StoredTrials
from lab.endpoint.endpoint import Account
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.result import AS_ASKED, Result
from lab.judgement.era import classify
from lab.remote_check import look, plan, program
from lab.remote_check.look import Look
from lab.remote_check.plan import BehindDnat, CheckPlan
from lab.remote_check.reach import Reach, reached
from lab.remote_check.trials import RuleRefusedError
from lab.session.session import Session

HERE = "this-machine"
"""The local machine's name in a stored run."""


@dataclass(frozen=True)
class CheckRequest:
    """What is asked for.

    Attributes:
        account: The machine; None for the local one.
        trials: How many trials are made side by side.
        load: Load modules without asking.
        dry: Only print what would be done.
        named: Whether the sentence for a ticket names the machine.
    """

    account: Account | None
    trials: int
    load: bool = False
    dry: bool = False
    named: bool = False


def check(session: Session, ask: CheckRequest) -> Result[Checked] | Result[Planned]:
    """Find out what a machine's kernel does with two queries of one flow.

    Args:
        session: The lab in use.
        ask: What is asked for.

    Raises:
        BadInput: modules would have to be loaded, without permission.
        BrokenEnvironment: the machine lacks something, refuses the login, or went away; finished trials are kept.
        Cancelled: the user interrupted; finished trials are kept.
    """
    name = ask.account.machine if ask.account else HERE
    with reached(ask.account, session.work) as reach:
        with session.work.step("looking at its kernel", name):
            seen = look.parse(reach.look(plan.MODULES))
        planned = plan.of(seen)
        if ask.dry:
            return Result(Planned(name, seen, planned, ask.trials), AS_ASKED)
        planned = _permitted(session, name, planned, load=ask.load)
        built = program.built(session.home, session.work, architecture=seen.architecture)
        experiment = Experiment(session.store, session.work, name, seen, planned, ask.trials)
        try:
            stored = experiment.make(reach, built)
        except RuleRefusedError as refusal:
            experiment = replace(experiment, plan=_otherwise(session, experiment, refusal, load=ask.load))
            stored = experiment.make(reach, built)
        left = _left(reach, seen, experiment.plan)
    checked = _checked(session, stored, experiment, named=ask.named, left=left)
    return Result(checked, checked.exit_status)


def _otherwise(session: Session, experiment: Experiment, refusal: RuleRefusedError, *, load: bool) -> CheckPlan:
    """Plan the trials by the rule that the kernel has not refused.

    Raises:
        RuleRefusedError: there is no other.
    """
    try:
        planned = plan.of(experiment.look, refused=experiment.plan.rule)
    except BrokenEnvironment:
        raise refusal from None
    session.work.note(f"{refusal.message}: {planned.rule} is tried instead", experiment.name)
    return _permitted(session, experiment.name, planned, load=load)


def _permitted(session: Session, name: str, planned: CheckPlan, *, load: bool) -> CheckPlan:
    """Return the plan as far as the user permits it to load modules.

    Raises:
        BadInput: the plan needs a module, and the user refuses.
    """
    if not planned.all_loads or load:
        return planned
    names = ", ".join(planned.all_loads)
    lines = [
        f"On {name} these modules would be loaded, and unloaded at the end: {names}.",
        *(f"- {meaning}" for meaning in planned.meaning),
    ]
    if session.work.may("\n".join([*lines, "Load them?"])):
        return planned
    if planned.load:
        raise BadInput(
            f"nothing was done: on {name} modules would have to be loaded, and unloaded again: {names}",
            hint="permit it: --yes; what that means: --dry-run",
        )
    why_not = f"modules would have to be loaded, and unloaded again: {names} (permit it: --yes)"
    return replace(planned, behind_dnat=BehindDnat(None, why_not=why_not))


def _left(reach: Reach, before: Look, planned: CheckPlan) -> tuple[str, ...]:
    """Return the modules that were loaded and are still there."""
    if not planned.all_loads:
        return ()
    after = look.parse(reach.look(())).loaded
    return tuple(module for module in planned.all_loads if module in after - before.loaded)


def _checked(
    session: Session, stored: StoredTrials, experiment: Experiment, *, named: bool, left: tuple[str, ...]
) -> Checked:
    if not stored.plain:
        raise BrokenEnvironment(f"{experiment.name}: no trial was made")
    behind_dnat = stored.behind_dnat
    return Checked(
        machine=experiment.name,
        look=experiment.look,
        plan=experiment.plan,
        run=stored.run,
        path=session.store.path(stored.run),
        found=classify(experiment.scenario, stored.plain),
        verdicts=tuple(trial.verdict for trial in stored.plain),
        behind_dnat=None if behind_dnat is None else Clashed(tuple(trial.verdict for trial in behind_dnat)),
        why_not=stored.why_not_dnat,
        named=named,
        left=left,
    )
