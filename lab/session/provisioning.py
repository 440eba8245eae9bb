"""Makes running machines ready for trials."""

from __future__ import annotations

from lab.catalogue.machine import Machine
from lab.foundation.home import PROVISION, Home
from lab.foundation.work import Work
from lab.provision.centos import UnfitBoxError
from lab.provision.ensure import ensure, named
from lab.provision.facts import Facts
from lab.runs import lanes
from lab.session.connections import Connections
from lab.session.machine import ChosenMachine
from lab.session.providers import Providers


class Provisioning:
    """The provisioning of a session's machines.

    Args:
        home: Whose cache keeps what is downloaded and built.
        work: Reports each step.
        providers: Reboot a machine, or make it again from its next box.
        connections: The way into each machine.
        most_lanes: The upper limit of lanes on a machine.
    """

    def __init__(
        self, home: Home, work: Work, providers: Providers, connections: Connections, most_lanes: int = lanes.MOST
    ) -> None:
        self._home = home
        self._work = work
        self._providers = providers
        self._connections = connections
        self._most_lanes = most_lanes

    def provision(self, machine: ChosenMachine, *, stap: bool = False) -> Facts:
        """Make a running machine ready for trials; does nothing to one that is.

        Args:
            machine: The machine.
            stap: Whether it must be able to trace with systemtap.

        Raises:
            BrokenEnvironment: the machine is not running, or a step failed.
        """
        return ensure(
            self._connections.open(machine),
            machine,
            PROVISION,
            lanes=self.lanes_of(machine),
            cache=self._home.cache,
            stap=stap,
            reboot=lambda: self._reboot(machine),
            work=self._work,
        )

    def provision_from_some_box(self, machine: ChosenMachine, *, stap: bool, new: bool) -> Facts:
        """Provision a machine; a new one whose box cannot be provisioned is made again from its next box."""
        while True:
            try:
                return self.provision(machine, stap=stap)
            except UnfitBoxError as error:
                self._connections.close(machine)
                vagrant = self._providers.vagrant(machine)
                if not new or vagrant is None:
                    raise
                self._work.note(f"this box cannot be used: {error.message}; {error.hint or ''}", machine.name)
                if not vagrant.remake(machine):
                    raise
                self._providers.assign(machine)  # the stored choice was deleted with the machine

    def key(self, machine: Machine) -> str:
        """Return a digest of everything that provisioning puts into a machine."""
        return named(PROVISION, lanes=self.lanes_of(machine))

    def lanes_of(self, machine: Machine) -> int:
        """Return how many lanes a machine's test network gets."""
        return min(self._most_lanes, lanes.default(machine.cpus))

    def _reboot(self, machine: ChosenMachine) -> None:
        provider = self._providers.of(machine)
        provider.halt(machine)
        provider.up(machine)
