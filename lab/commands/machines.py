"""`lab up`, `status`, `halt` and `destroy`: the life of machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.catalogue.era import Era
from lab.catalogue.machine import Machine
from lab.errors import BrokenEnvironment
from lab.parallel import for_each
from lab.preference import Preference
from lab.provider.base import State
from lab.provision.ensure import is_done
from lab.provision.facts import Facts, gather
from lab.result import Result
from lab.session import Session


@dataclass(frozen=True)
class MachineStatus:
    """One machine as it is now.

    Attributes:
        name: What people type.
        title: One line about it.
        state: How far its life has come.
        provider: Who brings it up, and with which hypervisor; None while it is absent.
        era: Which era it shows; None where that is not known.
        replica: Whether ctrewind makes it so.
        added: Whether its kernel is one that somebody gave the lab.
        kernel: Its kernel release; None unless it runs and answers.
        provisioned: Whether trials can run on it.
        address: Where its sshd listens; None unless it runs.
        saved: Whether it has a saved state, from which it starts once it is off.
        problem: Why a running machine does not answer; None when it does.
    """

    name: str
    title: str
    state: State
    provider: str | None
    era: Era | None
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
        names: Which; all of them for none.
        preference: What machines that are not there yet shall be brought up with.
        stap: Whether they shall be able to trace with systemtap.
        cold: Boot them, whatever is saved.
        save: Save those that are booted for the next time.

    Raises:
        BadInput: there is no such machine, or what is preferred does not go with it.
        BrokenEnvironment: one could not be brought up; the others are.
    """
    definitions = session.find(names)
    with session.using(*definitions):
        machines = session.chosen(definitions, preference)
        found = session.bring_up(machines, stap=stap, cold=cold, save=save)
        return Result(Statuses(tuple(_running(session, *each) for each in zip(machines, found, strict=True))))


def status(session: Session, names: Sequence[str]) -> Result[Statuses]:
    """Tell how machines are; all of them for no names.

    Raises:
        BadInput: there is no such machine.
    """
    return Result(_statuses(session, session.as_they_are(session.find(names, all_kernels=True))))


def halt(session: Session, names: Sequence[str]) -> Result[Statuses]:
    """Stop machines; their disks stay.

    Raises:
        BadInput: there is no such machine.
    """
    definitions = session.find(names, all_kernels=True)
    with session.using(*definitions):
        machines = session.as_they_are(definitions)
        for_each(machines, lambda machine: session.provider(machine).halt(machine), session.work)
        return Result(_statuses(session, machines))


def destroy(session: Session, names: Sequence[str]) -> Result[Statuses]:
    """Remove all that is of machines; stored runs stay.

    Raises:
        BadInput: there is no such machine.
    """
    definitions = session.find(names, all_kernels=True)
    with session.using(*definitions):
        machines = session.as_they_are(definitions)
        for_each(machines, lambda machine: session.provider(machine).destroy(machine), session.work)
        session.tidy()
        return Result(_statuses(session, machines))


def _statuses(session: Session, machines: Sequence[Machine]) -> Statuses:
    return Statuses(tuple(for_each(machines, lambda machine: _status(session, machine), session.work)))


def _status(session: Session, machine: Machine) -> MachineStatus:
    if session.provider(machine).state(machine) is State.RUNNING:
        try:
            return _running(session, machine, gather(session.shell(machine)))
        except BrokenEnvironment as error:
            return replace(_known(session, machine), problem=error.message)
    return _known(session, machine)


def _running(session: Session, machine: Machine, found: Facts) -> MachineStatus:
    """Give what is known of a machine that answers, and was found to be so.

    Raises:
        BrokenEnvironment: it does not run any more.
    """
    endpoint = session.provider(machine).endpoint(machine)
    return replace(
        _known(session, machine),
        kernel=found.kernel,
        provisioned=is_done(found, machine),
        address=f"{endpoint.host}:{endpoint.port}",
    )


def _known(session: Session, machine: Machine) -> MachineStatus:
    """Give what is known of a machine without asking it."""
    state = session.provider(machine).state(machine)
    return MachineStatus(
        machine.name,
        machine.title,
        state,
        None if state is State.ABSENT else session.choice(machine).in_words,
        machine.era,
        machine.replica,
        machine.added,
        saved=session.has_saved(machine),
    )
