"""`lab kernel`: the kernels that people bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.catalogue import find
from lab.errors import BadInput
from lab.home import MACHINES
from lab.kernels import add as kernels_add
from lab.kernels.find import definition
from lab.kernels.source import Given
from lab.kernels.store import Kernel
from lab.provider.base import State
from lab.result import Result
from lab.session import Session


@dataclass(frozen=True)
class KernelShown:
    """A kernel that was added.

    Attributes:
        kernel: What is known of it.
        size_bytes: How much room its files take on the disk.
        state: How far the life of its machine has come.
    """

    kernel: Kernel
    size_bytes: int
    state: State


@dataclass(frozen=True)
class KernelAdded:
    """A kernel that is there now.

    Attributes:
        shown: The kernel.
        new: Whether it was not there before.
    """

    shown: KernelShown
    new: bool


@dataclass(frozen=True)
class Kernels:
    """The kernels that were added."""

    kernels: tuple[KernelShown, ...]


@dataclass(frozen=True)
class KernelsRemoved:
    """The kernels that are gone."""

    names: tuple[str, ...]


def add(session: Session, given: Given, name: str | None) -> Result[KernelAdded]:
    """Add a kernel; does nothing when it is there already, from the same packages.

    Args:
        session: The lab in use.
        given: Where its files come from.
        name: What it shall be called; None for a name made of its release.

    Raises:
        BadInput: what was given is no kernel that can be booted, or its name is taken.
        BrokenEnvironment: a program or space is missing, or an address cannot be reached.
    """
    taken = [machine.name for machine in find.machines(MACHINES, ())]
    kernel, new = kernels_add.add(session.kernels, given, name, taken, session.work)
    return Result(KernelAdded(_shown(session, kernel), new))


def list_all(session: Session) -> Result[Kernels]:
    """Tell which kernels were added."""
    return Result(Kernels(tuple(_shown(session, kernel) for kernel in session.kernels.all())))


def remove(session: Session, names: Sequence[str]) -> Result[KernelsRemoved]:
    """Remove kernels with all their files, and what their machines have; stored runs stay.

    Raises:
        BadInput: there is no such kernel, or one runs; then none is removed.
    """
    if not names:
        raise BadInput("which kernel? lab kernel remove NAME...")
    there = session.kernels.names()
    for name in names:
        if name not in there:
            session.kernels.get(name)  # says which there are
    known = [kernel for kernel in session.kernels.all() if kernel.name in names]
    definitions = [definition(kernel) for kernel in known]
    with session.using(*definitions):
        machines = session.as_they_are(definitions)
        for machine in machines:
            if session.provider(machine).state(machine) is State.RUNNING:
                raise BadInput(f"kernel {machine.name} runs", hint=f"halt it first: lab halt {machine.name}")
        for machine in machines:
            session.provider(machine).destroy(machine)
        for name in dict.fromkeys(names):
            session.kernels.remove(name)
    return Result(KernelsRemoved(tuple(dict.fromkeys(names))))


def _shown(session: Session, kernel: Kernel) -> KernelShown:
    (machine,) = session.as_they_are([definition(kernel)])
    return KernelShown(kernel, session.kernels.size_bytes(kernel.name), session.provider(machine).state(machine))
