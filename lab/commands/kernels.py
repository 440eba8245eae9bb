"""`lab kernel`: the kernels that users add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.machine import Added
from lab.foundation.errors import BadInput
from lab.foundation.home import MACHINES, PROVISION
from lab.foundation.result import Result
from lab.kernels import add as kernels_add
from lab.kernels import by_name, known, obtain, web
from lab.kernels.find import definition
from lab.kernels.known import Known
from lab.kernels.source import Given
from lab.kernels.store import Kernel
from lab.provider.base import State
from lab.session.machine import ChosenMachine
from lab.session.session import Session


@dataclass(frozen=True)
class KernelShown:
    """An added kernel.

    Attributes:
        kernel: The kernel.
        size_bytes: The size of its files on the disk.
        state: The state of its machine.
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
    """The removed kernels."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class KernelKnown:
    """A kernel that is known by a name.

    Attributes:
        known: Its entry in the data.
        cached: Whether its packages are in the cache, so that it can be added without a network.
        added_as: Its name in this lab; None if it was not added.
        era: Its era: as measured by `lab classify` in this lab, else from the data; None if not measured.
        measured: The run or source that measured the era; None if not measured.
    """

    known: Known
    cached: bool
    added_as: str | None
    era: Era | None
    measured: str | None


@dataclass(frozen=True)
class KnownKernels:
    """The kernels that are known by a name."""

    kernels: tuple[KernelKnown, ...]


def add(session: Session, given: Given, name: str | None, source_dir: Path | None = None) -> Result[KernelAdded]:
    """Add a kernel; does nothing if it was added before from the same packages.

    Args:
        session: The lab in use.
        given: Where its files come from, or the name of a known kernel.
        name: Its name; None for a name made of its release, or of its known name.
        source_dir: A directory that has a known kernel's packages; None for the cache or the web.

    Raises:
        BadInput: the sources are no bootable kernel, or its name is taken.
        BrokenEnvironment: a program or space is missing, or an address cannot be reached.
    """
    taken = [machine.name for machine in find.machines(MACHINES, ())]
    by_names = [text for text in given.sources if _is_a_name(text)]
    if by_names:
        kernel, new = _add_known(session, given, name, source_dir, taken)
    elif source_dir is not None:
        raise BadInput("--from goes with a known kernel's name (lab kernel known), not with packages")
    else:
        kernel, new = kernels_add.add(session.kernels, given, name, taken, session.work)
    return Result(KernelAdded(_shown(session, kernel), new))


def _add_known(
    session: Session, given: Given, name: str | None, source_dir: Path | None, taken: Sequence[str]
) -> tuple[Kernel, bool]:
    wanted = [known.get(PROVISION, text) for text in given.sources if _is_a_name(text)]
    if len(given.sources) > 1:
        raise BadInput(f"{wanted[0].name} comes with all its packages: add it by itself, one kernel at a time")
    if given.sha256:
        raise BadInput(f"{wanted[0].name} is verified by its signature: --sha256 goes with packages")
    if source_dir is not None and not source_dir.is_dir():
        raise BadInput(f"{source_dir}: there is no such directory")
    return by_name.ensure_added(
        session.kernels,
        wanted[0],
        cache=session.home.cache,
        work=session.work,
        source_dir=source_dir,
        name=name,
        taken=taken,
    )


def _is_a_name(text: str) -> bool:
    """Return whether a text can only be a known kernel's name: it is neither a file nor a package."""
    return not (web.is_address(text) or "/" in text or text.endswith((".rpm", ".deb")) or Path(text).exists())


def list_known(session: Session, pattern: str | None) -> Result[KnownKernels]:
    """List the kernels that are known by a name.

    Args:
        session: The lab in use.
        pattern: A shell pattern that their names match; None for all.

    Raises:
        BadInput: none matches.
    """
    matching = known.load(PROVISION) if pattern is None else known.matching(PROVISION, pattern)
    if not matching and pattern is not None:
        known.get(PROVISION, pattern)  # reports similar names
    return Result(KnownKernels(tuple(_known(session, one) for one in matching)))


def _known(session: Session, one: Known) -> KernelKnown:
    kernel = session.kernels.made_of(one.name)
    classified = kernel.classified if kernel else None
    era, measured = (classified.era, f"run {classified.run}") if classified else (one.era, one.measured)
    added_as = kernel.name if kernel else None
    return KernelKnown(one, obtain.is_cached(one, session.home.cache), added_as, era, measured)


def list_all(session: Session) -> Result[Kernels]:
    """Return all added kernels."""
    return Result(Kernels(tuple(_shown(session, kernel) for kernel in session.kernels.all())))


def remove(session: Session, names: Sequence[str]) -> Result[KernelsRemoved]:
    """Remove kernels with all their files, and their machines; stored runs are kept.

    Raises:
        BadInput: there is no such kernel, or one runs, or is used by a machine; then none is removed.
    """
    if not names:
        raise BadInput("which kernel? lab kernel remove NAME...")
    there = session.kernels.names()
    for typed in names:
        if session.kernels.called(typed) not in there:
            session.kernels.get(typed)  # reports the existing names
    names = list(dict.fromkeys(map(session.kernels.called, names)))
    known = [kernel for kernel in session.kernels.all() if kernel.name in names]
    definitions = [definition(kernel) for kernel in known]
    catalogue = find.machines(MACHINES, ())
    with session.using(*definitions, *catalogue):
        _require_unused(session, names, session.current(catalogue))
        machines = session.current(definitions)
        for machine in machines:
            if session.provider(machine).state(machine) is State.RUNNING:
                raise BadInput(f"kernel {machine.name} runs", hint=f"halt it first: lab halt {machine.name}")
        for machine in machines:
            session.provider(machine).destroy(machine)
        for name in names:
            session.kernels.remove(name)
    return Result(KernelsRemoved(tuple(names)))


def _require_unused(session: Session, names: Sequence[str], machines: Sequence[ChosenMachine]) -> None:
    for machine in machines:
        system = machine.system
        if not isinstance(system, Added) or system.kernel not in names:
            continue
        if session.provider(machine).state(machine) is not State.ABSENT:
            raise BadInput(
                f"kernel {system.kernel} is the kernel of the machine {machine.name}",
                hint=f"destroy the machine first: lab destroy {machine.name}",
            )


def _shown(session: Session, kernel: Kernel) -> KernelShown:
    (machine,) = session.current([definition(kernel)])
    return KernelShown(kernel, session.kernels.size_bytes(kernel.name), session.provider(machine).state(machine))
