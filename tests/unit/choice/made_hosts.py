"""Hosts and known kernels with given abilities, for tests of which system a machine has."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lab.catalogue import find
from lab.catalogue.machine import Definition, Hypervisor, System
from lab.foundation.home import MACHINES
from lab.provider.accelerator import Acceleration
from lab.provider.preference import Preference, ProviderName, TypedOptions, gather

QEMU, VAGRANT = ProviderName.QEMU, ProviderName.VAGRANT
CENTOS, KERNEL, REPLICA, DEBIAN = System.CENTOS, System.KERNEL, System.REPLICA, System.DEBIAN


@dataclass
class Host:
    """A host with the given abilities."""

    problems: dict[Hypervisor, str] = field(default_factory=dict)
    accelerated: tuple[Hypervisor, ...] = tuple(Hypervisor)
    unknown: tuple[Hypervisor, ...] = ()

    def problem(self, hypervisor: Hypervisor) -> str | None:
        """Return why it cannot run guests with a hypervisor."""
        return self.problems.get(hypervisor)

    def acceleration(self, hypervisor: Hypervisor) -> Acceleration:
        """Return whether a hypervisor has hardware virtualisation."""
        if hypervisor in self.unknown:
            return Acceleration(None, "there is no kernel to try a guest with")
        return Acceleration(hypervisor in self.accelerated, "it was tried")


@dataclass
class Kernels:
    """Known kernels, of which some are available."""

    there: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    def where(self, known: str) -> str | None:
        """Return the source of a kernel."""
        self.asked.append(known)
        return "its kernel's packages are in the cache" if known in self.there else None

    def why_not(self, known: str) -> str:
        """Return why a kernel is unavailable."""
        return f"{known}: no answer within 3 s"


WITHOUT_VAGRANT = Host(dict.fromkeys(Hypervisor, "Vagrant is not installed"))
NO_KERNELS = Kernels()
ALL_KERNELS = Kernels(("centos:7.0.1406", "centos:7.8.2003"))


def machine(name: str) -> Definition:
    """Return a machine of the lab."""
    return find.machines(MACHINES, [name])[0]


def typed(
    provider: ProviderName | None = None, hypervisor: Hypervisor | None = None, *, system: System | None = None
) -> Preference:
    """Return a preference typed on the command line."""
    return gather(TypedOptions(provider, hypervisor, system), Path("/nonexistent"))
