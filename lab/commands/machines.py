"""`lab up`, `status`, `halt` and `destroy`: the life of machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lab.catalogue.machine import System
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.later import Later
from lab.foundation.parallel import for_each
from lab.foundation.result import Result
from lab.provider.base import State

if TYPE_CHECKING:
    from lab.catalogue.era import Era
    from lab.provider.preference import Preference
    from lab.provision import ensure
    from lab.provision import facts as facts_of
    from lab.provision.facts import Facts
    from lab.session.machine import ChosenMachine
    from lab.session.session import Session
else:
    ensure = Later("lab.provision.ensure")
    facts_of = Later("lab.provision.facts")


@dataclass(frozen=True)
class MachineStatus:
    """One machine as it is now.

    Attributes:
        name: Its name.
        title: One line about it.
        state: Its state.
        provider: Its provider and hypervisor; None while it is absent.
        era: Its era; None if not known.
        system: Its system; None while it is absent, unless it is an added kernel, which has one system only.
        replica: Whether ctrewind makes its kernel behave as its era.
        added: Whether its kernel was added by a user.
        kernel: Its kernel release; None unless it runs and answers.
        provisioned: Whether trials can run on it.
        address: Where its sshd listens; None unless it runs.
        saved: Whether it has a saved state to start from.
        problem: Why a running machine does not answer; None when it does.
    """

    name: str
    title: str
    state: State
    provider: str | None
    era: Era | None
    system: System | None
    replica: bool
    added: bool
    kernel: str | None = None
    provisioned: bool = False
    address: str | None = None
    saved: bool = False
    problem: str | None = None


@dataclass(frozen=True)
class Statuses:
    """Machines as they are now."""

    machines: tuple[MachineStatus, ...]


def up(  # noqa: PLR0913  all by name
    session: Session,
    names: Sequence[str],
    preference: Preference,
    *,
    stap: bool,
    cold: bool = False,
    save: bool = True,
) -> Result[Statuses]:
    """Bring machines up, all at once, until trials can run on them; from their saved states, where they have any.

    Args:
        session: The lab in use.
        names: The machines; all for none.
        preference: The system and provider for absent machines.
        stap: Whether they must be able to trace with systemtap.
        cold: Boot them, even if a state is saved.
        save: Save those that are booted for the next time.

    Raises:
        BadInput: there is no such machine, or the preference does not fit it.
        BrokenEnvironment: one could not be brought up; the others are.
    """
    definitions = session.find(names)
    if not names:
        session.work.note(f"starting all machines: {', '.join(one.name for one in definitions)}")
    with session.using(*definitions):
        machines = session.choose(definitions, preference)
        facts = session.bring_up(machines, stap=stap, cold=cold, save=save)
        return Result(Statuses(tuple(_running(session, *each) for each in zip(machines, facts, strict=True))))


def status(session: Session, names: Sequence[str]) -> Result[Statuses]:
    """Return the state of machines; of all for no names.

    Raises:
        BadInput: there is no such machine.
    """
    return Result(_statuses(session, session.current(session.find(names, all_kernels=True))))


def halt(session: Session, names: Sequence[str]) -> Result[Statuses]:
    """Shut machines down; their disks are kept.

    Raises:
        BadInput: there is no such machine.
    """
    definitions = session.find(names, all_kernels=True)
    with session.using(*definitions):
        machines = session.current(definitions)
        for_each(machines, lambda machine: _halt(session, machine), session.work)
        return Result(_statuses(session, machines))


def destroy(session: Session, names: Sequence[str]) -> Result[Statuses]:
    """Delete machines and their disks; stored runs are kept.

    Raises:
        BadInput: there is no such machine.
    """
    definitions = session.find(names, all_kernels=True)
    with session.using(*definitions):
        machines = session.current(definitions)
        for_each(machines, lambda machine: _destroy(session, machine), session.work)
        session.tidy()
        return Result(_statuses(session, machines))


def _halt(session: Session, machine: ChosenMachine) -> None:
    session.forget(machine)
    session.provider(machine).halt(machine)


def _destroy(session: Session, machine: ChosenMachine) -> None:
    session.forget(machine)
    session.provider(machine).destroy(machine)


def _statuses(session: Session, machines: Sequence[ChosenMachine]) -> Statuses:
    running = [machine for machine in machines if session.state(machine) is State.RUNNING]
    answers = for_each(running, lambda machine: _asked(session, machine), session.work)
    asked = {machine.name: status for machine, status in zip(running, answers, strict=True)}
    return Statuses(tuple(asked.get(machine.name) or _known(session, machine) for machine in machines))


def _asked(session: Session, machine: ChosenMachine) -> MachineStatus:
    try:
        return _running(session, machine, facts_of.gather(session.shell(machine)))
    except BrokenEnvironment as error:
        return replace(_known(session, machine), problem=error.message)


def _running(session: Session, machine: ChosenMachine, facts: Facts) -> MachineStatus:
    """Return the state of a machine that answers, with these facts.

    Raises:
        BrokenEnvironment: it no longer runs.
    """
    endpoint = session.provider(machine).endpoint(machine)
    return replace(
        _known(session, machine),
        kernel=facts.kernel,
        provisioned=ensure.is_done(facts, machine),
        address=f"{endpoint.host}:{endpoint.port}",
    )


def _known(session: Session, machine: ChosenMachine) -> MachineStatus:
    """Return the state of a machine as far as the host knows it."""
    state = session.state(machine)
    is_open = state is State.ABSENT and machine.kind is not System.ADDED
    return MachineStatus(
        machine.name,
        machine.title,
        state,
        None if state is State.ABSENT else machine.choice.in_words,
        machine.era,
        None if is_open else machine.kind,
        machine.replica and not is_open,
        machine.kind is System.ADDED,
        saved=state is not State.ABSENT and session.has_saved(machine),
    )
