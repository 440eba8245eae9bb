"""The provider of each machine, by the machine's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.catalogue.machine import Hypervisor
from lab.foundation.home import Home
from lab.foundation.later import Later
from lab.foundation.work import Work
from lab.provider.base import Provider
from lab.provider.choice import Choice, store, stored
from lab.session.machine import ChosenMachine

if TYPE_CHECKING:
    from lab.provider import own_box
    from lab.provider import qemu as embedded_provider
    from lab.provider import vagrant as vagrant_provider
    from lab.provider.host import Host
else:
    own_box = Later("lab.provider.own_box")
    embedded_provider = Later("lab.provider.qemu")
    vagrant_provider = Later("lab.provider.vagrant")


class Providers:
    """The providers of one lab.

    Args:
        home: Where the machines' files and stored choices are.
        work: Reports each step.
        host: Which hypervisors this host can run Vagrant's guests with.
    """

    def __init__(self, home: Home, work: Work, host: Host) -> None:
        self._home = home
        self._work = work
        self._host = host

    def by_choice(self, choice: Choice) -> Provider:
        """Return the provider that a choice names."""
        hypervisor = choice.hypervisor
        return embedded_provider.Qemu(self._home, self._work) if hypervisor is None else self._by_vagrant(hypervisor)

    def of(self, machine: ChosenMachine) -> Provider:
        """Return the provider that brings a machine up."""
        return self.by_choice(machine.choice)

    def vagrant(self, machine: ChosenMachine) -> vagrant_provider.Vagrant | None:
        """Return the machine's provider if it is Vagrant, else None."""
        provider = self.of(machine)
        return provider if isinstance(provider, vagrant_provider.Vagrant) else None

    def embedded(self, machine: ChosenMachine) -> embedded_provider.Qemu | None:
        """Return the machine's provider if it is the embedded one (only that saves states), else None."""
        provider = self.of(machine)
        return provider if isinstance(provider, embedded_provider.Qemu) else None

    def assign(self, machine: ChosenMachine) -> None:
        """Store the machine's choice; remove what another provider may have left half made."""
        path, choice = self._home.choice(machine.name), machine.choice
        before = stored(path)
        if before and (before.provider, before.hypervisor) != (choice.provider, choice.hypervisor):
            self.by_choice(before).destroy(machine)
        store(path, choice)

    def tidy(self) -> None:
        """Remove what deleted machines shared.

        Raises:
            BrokenEnvironment: it cannot be removed now; the next call tries again.
        """
        for hypervisor in own_box.in_use(self._home):
            self._by_vagrant(hypervisor).tidy()

    def _by_vagrant(self, hypervisor: Hypervisor) -> vagrant_provider.Vagrant:
        return vagrant_provider.Vagrant(self._home, self._work, hypervisor, lambda: self._host.acceleration(hypervisor))
