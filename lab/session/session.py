"""One use of the lab: its home, its stores, its machines, and what is done with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lab.foundation.files import locked
from lab.foundation.home import MACHINES, Home
from lab.foundation.later import Later, MadeOnce
from lab.foundation.work import Work

if TYPE_CHECKING:
    from lab.catalogue.machine import Definition, Machine
    from lab.endpoint import kept
    from lab.endpoint.ssh import Shell
    from lab.kernels import find
    from lab.kernels import store as kernel_store
    from lab.kernels.store import KernelStore
    from lab.provider import base as provider_base
    from lab.provider import host
    from lab.provider.base import Provider, State
    from lab.provider.host import Host
    from lab.provider.preference import Preference
    from lab.provider.vagrant import Vagrant
    from lab.provision.facts import Facts
    from lab.runs import lanes
    from lab.runs import store as run_store
    from lab.runs.store import RunStore
    from lab.session import connections, provisioning, saved_states, startup, systems
    from lab.session import providers as provider_choices
    from lab.session.connections import Connections
    from lab.session.machine import ChosenMachine
    from lab.session.providers import Providers
    from lab.session.provisioning import Provisioning
    from lab.session.saved_states import SavedStates
    from lab.session.startup import Startup
    from lab.session.systems import Systems
else:
    connections = Later("lab.session.connections")
    find = Later("lab.kernels.find")
    host = Later("lab.provider.host")
    kernel_store = Later("lab.kernels.store")
    provider_base = Later("lab.provider.base")
    provider_choices = Later("lab.session.providers")
    provisioning = Later("lab.session.provisioning")
    saved_states = Later("lab.session.saved_states")
    kept = Later("lab.endpoint.kept")
    lanes = Later("lab.runs.lanes")
    run_store = Later("lab.runs.store")
    startup = Later("lab.session.startup")
    systems = Later("lab.session.systems")


class Session:
    """What the commands work with; use it in a `with` statement.

    Args:
        home: Where the lab keeps things.
        work: Reports each step; cancelling it ends them.
        most_lanes: The upper limit of lanes on a machine; None for as many as its processors bear.
        providers: The providers of the machines; those of this host by default.
    """

    def __init__(
        self, home: Home, work: Work, most_lanes: int | None = None, providers: Providers | None = None
    ) -> None:
        self.home = home
        self.work = work
        self._most_lanes = most_lanes
        self._given_providers = providers

    # What a session is made of is made, and its modules are loaded, when it is first needed: most commands need little.

    @MadeOnce
    def store(self) -> RunStore:
        """The stored runs."""
        return run_store.RunStore(self.home.runs, self.work.note)

    @MadeOnce
    def kernels(self) -> KernelStore:
        """The kernels that were added."""
        return kernel_store.KernelStore(self.home.kernels)

    @MadeOnce
    def _host(self) -> Host:
        return host.Host(self.home, self.work)

    @MadeOnce
    def _providers(self) -> Providers:
        return self._given_providers or provider_choices.Providers(self.home, self.work, self._host)

    @MadeOnce
    def _systems(self) -> Systems:
        return systems.Systems(self.home, self.kernels, self._host, self._providers, self.work)

    @MadeOnce
    def _connections(self) -> Connections:
        return connections.Connections(self._providers, self.work)

    @MadeOnce
    def _provisioning(self) -> Provisioning:
        most = lanes.MOST if self._most_lanes is None else self._most_lanes
        return provisioning.Provisioning(self.home, self.work, self._providers, self._connections, most)

    @MadeOnce
    def _saved_states(self) -> SavedStates:
        return saved_states.SavedStates(self.work, self._providers, self._connections, self._provisioning)

    @MadeOnce
    def _startup(self) -> Startup:
        parts = (self.work, self._providers, self._connections, self._provisioning)
        return startup.Startup(*parts, self._saved_states)

    def find(self, names: Sequence[str], *, all_kernels: bool = False) -> list[Definition]:
        """Return the definitions of these machines, added kernels among them; for no names, the whole catalogue.

        Args:
            names: As typed.
            all_kernels: Whether no names stand for all added kernels as well.

        Raises:
            BadInput: there is no machine of a name.
        """
        return find.machines(MACHINES, self.kernels, names, all_kernels=all_kernels)

    def current(self, definitions: Sequence[Definition]) -> list[ChosenMachine]:
        """Return machines on the systems they have; see `Systems.current`."""
        return self._systems.current(definitions)

    def planned(self, definitions: Sequence[Definition], preference: Preference) -> list[ChosenMachine]:
        """Return machines as they would be brought up; see `Systems.planned`."""
        return self._systems.planned(definitions, preference)

    def choose(self, definitions: Sequence[Definition], preference: Preference) -> list[ChosenMachine]:
        """Return machines on the systems they have, or get by this choice; see `Systems.choose`."""
        return self._systems.choose(definitions, preference)

    def provider(self, machine: ChosenMachine) -> Provider:
        """Return the provider that brings a machine up."""
        return self._providers.of(machine)

    def vagrant(self, machine: ChosenMachine) -> Vagrant | None:
        """Return the machine's provider if it is Vagrant, else None."""
        return self._providers.vagrant(machine)

    def state(self, machine: ChosenMachine) -> State:
        """Return a machine's state; asks no provider about a machine that has no directory."""
        is_there = self.home.machine(machine.name).exists()
        return self.provider(machine).state(machine) if is_there else provider_base.State.ABSENT

    def has_saved(self, machine: ChosenMachine) -> bool:
        """Return whether the machine has a saved state to start from."""
        return self._saved_states.has_one(machine)

    @contextmanager
    def using(self, *machines: Machine | Definition) -> Iterator[None]:
        """Keep other commands from these machines.

        Raises:
            BrokenEnvironment: another command does not release one.
        """
        with ExitStack() as stack:
            # Always in the same order, so that two commands never wait for each other.
            for name in sorted(machine.name for machine in machines):
                stack.enter_context(locked(self.home.machine_lock(name), name, self.work))
            yield

    def shell(self, machine: ChosenMachine) -> Shell:
        """Return the connection to a running machine, opened when there is none.

        Raises:
            BrokenEnvironment: the machine is not running, or refuses the login.
        """
        return self._connections.open(machine)

    def bring_up(
        self, machines: Sequence[ChosenMachine], *, stap: bool = False, cold: bool = False, save: bool = True
    ) -> list[Facts]:
        """Bring machines up, all at once, from whatever state they are in, until trials can run on them.

        Args:
            machines: The machines.
            stap: Whether they must be able to trace with systemtap.
            cold: Whether to boot those that could resume a saved state.
            save: Whether to save those that are booted for the next time.

        Raises:
            BrokenEnvironment: one could not be brought up; the others are.
            Cancelled: the work was cancelled; those that were not running are off again.
        """
        return self._startup.bring_up(machines, stap=stap, cold=cold, save=save)

    def up_meanwhile(self, machines: Sequence[ChosenMachine]) -> AbstractContextManager[None]:
        """Bring up those of these machines that do not run, and switch them off again in any case.

        Their saved states are kept: the next start takes seconds.

        Raises:
            BrokenEnvironment: one could not be brought up.
        """
        return self._startup.up_meanwhile(machines)

    def states(self, machines: Sequence[ChosenMachine]) -> list[tuple[ChosenMachine, State]]:
        """Return machines with the states that they are in, for `put_back`."""
        return self._startup.states(machines)

    def put_back(self, states: Sequence[tuple[ChosenMachine, State]]) -> None:
        """Put machines back into the states in which they were found: destroyed, or switched off with their disks.

        A machine that was running is left as it is; so is the saved state of one that was halted.
        """
        self._startup.put_back(states)

    def provisioned(self, machine: ChosenMachine, *, stap: bool = False) -> Facts:
        """Make a running machine ready for trials; see `Provisioning.provision`."""
        return self._provisioning.provision(machine, stap=stap)

    def lanes_of(self, machine: Machine) -> int:
        """Return how many lanes a machine's test network gets."""
        return self._provisioning.lanes_of(machine)

    def forget(self, machine: ChosenMachine) -> None:
        """Close the connections to a machine that goes away; that which `lab ssh` keeps is one of them."""
        self._connections.close(machine)
        kept.close(self.home.machine(machine.name))

    def tidy(self) -> None:
        """Remove what deleted machines shared; see `Providers.tidy`."""
        self._providers.tidy()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "_connections" in self.__dict__:  # a session that logged in nowhere has none
            self._connections.close_all()
