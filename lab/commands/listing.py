"""`lab list`: machines, scenarios and kernels, with a line about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.machine import Definition, OwnKernel, System
from lab.foundation.home import MACHINES, SCENARIOS
from lab.foundation.result import Result
from lab.session.session import Session


class ListedKind(StrEnum):
    """The kinds of things that can be listed."""

    MACHINES = "machines"
    SCENARIOS = "scenarios"
    KERNELS = "kernels"


@dataclass(frozen=True)
class MachineListed:
    """A machine of the catalogue.

    Attributes:
        name: Its name on the command line.
        title: A line about it.
        era: Its era; None if it is unknown.
        systems: The systems that it can have.
    """

    name: str
    title: str
    era: Era | None
    systems: tuple[System, ...]


@dataclass(frozen=True)
class ScenarioListed:
    """A scenario of the catalogue, and a line about it."""

    name: str
    title: str


@dataclass(frozen=True)
class KernelListed:
    """A kernel that was added.

    Attributes:
        name: Its name on the command line.
        release: The kernel release (`uname -r`).
        era: Its era as classified; None if it was not classified.
    """

    name: str
    release: str
    era: Era | None


@dataclass(frozen=True)
class Listed:
    """The listed machines, scenarios and kernels; None for a kind that was not requested."""

    machines: tuple[MachineListed, ...] | None
    scenarios: tuple[ScenarioListed, ...] | None
    kernels: tuple[KernelListed, ...] | None


def list_all(session: Session, kinds: Sequence[ListedKind]) -> Result[Listed]:
    """List machines, scenarios and kernels, as far as requested; all for no kinds.

    Raises:
        BadInput: a file of the catalogue, or of an added kernel, is invalid.
    """
    asked = kinds or list(ListedKind)
    machines = find.machines(MACHINES, ()) if ListedKind.MACHINES in asked else None
    scenarios = [*find.scenarios(SCENARIOS, ()), *find.products(SCENARIOS)] if ListedKind.SCENARIOS in asked else None
    kernels = session.kernels.all() if ListedKind.KERNELS in asked else None
    return Result(
        Listed(
            None if machines is None else tuple(map(_machine, machines)),
            None if scenarios is None else tuple(ScenarioListed(one.name, one.title) for one in scenarios),
            None
            if kernels is None
            else tuple(
                KernelListed(one.name, one.release, one.classified.era if one.classified else None) for one in kernels
            ),
        )
    )


def _machine(definition: Definition) -> MachineListed:
    systems = [system for system in (definition.centos, definition.kernel, definition.on_image) if system]
    kinds = tuple(System.KERNEL if isinstance(system, OwnKernel) else system.kind for system in systems)
    return MachineListed(definition.name, systems[0].title, definition.era, kinds)
