"""Brings machines up until trials can run on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lab.foundation.errors import Cancelled
from lab.foundation.parallel import for_each
from lab.foundation.work import Work
from lab.provider.base import Provider, State
from lab.provision import pace
from lab.provision.facts import Facts
from lab.session.connections import Connections
from lab.session.machine import ChosenMachine
from lab.session.providers import Providers
from lab.session.provisioning import Provisioning
from lab.session.saved_states import SavedStates


class Startup:
    """The way of a session's machines from whatever state they are in to where trials can run.

    Args:
        work: Reports each step.
        providers: Boot machines and switch them off.
        connections: The way into each machine.
        provisioning: Makes a booted machine ready.
        saved_states: What a machine starts from when it can.
    """

    def __init__(
        self,
        work: Work,
        providers: Providers,
        connections: Connections,
        provisioning: Provisioning,
        saved_states: SavedStates,
    ) -> None:
        self._work = work
        self._providers = providers
        self._connections = connections
        self._provisioning = provisioning
        self._saved_states = saved_states

    def bring_up(self, machines: Sequence[ChosenMachine], *, stap: bool, cold: bool, save: bool) -> list[Facts]:
        """Bring machines up, all at once; see `Session.bring_up`."""
        self._connections.expect()
        for choice in {machine.choice.in_words: machine.choice for machine in machines}.values():
            alike = [machine for machine in machines if machine.choice.in_words == choice.in_words]
            self._providers.by_choice(choice).prepare(alike)
        return for_each(
            machines, lambda machine: self._bring_one_up(machine, stap=stap, cold=cold, save=save), self._work
        )

    @contextmanager
    def up_meanwhile(self, machines: Sequence[ChosenMachine]) -> Iterator[None]:
        """Keep machines up while inside; see `Session.up_meanwhile`."""
        off = [machine for machine in machines if self._providers.of(machine).state(machine) is not State.RUNNING]
        try:
            self.bring_up(machines, stap=False, cold=False, save=True)
            yield
        finally:
            for machine in off:
                self._switch_off(machine)

    def states(self, machines: Sequence[ChosenMachine]) -> list[tuple[ChosenMachine, State]]:
        """Return machines with the states that they are in."""
        return [(machine, self._providers.of(machine).state(machine)) for machine in machines]

    def put_back(self, states: Sequence[tuple[ChosenMachine, State]]) -> None:
        """Put machines back into earlier states; see `Session.put_back`."""
        for machine, state in states:
            if state is State.ABSENT:
                self._connections.close(machine)
                self._providers.of(machine).destroy(machine)
            elif state is State.HALTED:
                self._switch_off(machine)

    def _switch_off(self, machine: ChosenMachine) -> None:
        self._connections.sync(machine)
        self._connections.close(machine)
        self._providers.of(machine).switch_off(machine)

    def _bring_one_up(self, machine: ChosenMachine, *, stap: bool, cold: bool, save: bool) -> Facts:
        provider = self._providers.of(machine)
        state = provider.state(machine)
        was_running = state is State.RUNNING
        try:
            self._providers.assign(machine)
            facts = None if was_running or cold else self._saved_states.resume(machine)
            if facts is None:
                facts = self._boot(machine, provider, stap=stap, new=state is State.ABSENT)
                if save and not was_running:
                    self._saved_states.save(machine)
        except Cancelled:
            if not was_running:
                provider.switch_off(machine)
            raise
        return facts

    def _boot(self, machine: ChosenMachine, provider: Provider, *, stap: bool, new: bool) -> Facts:
        """Boot and provision a machine, and check that its clock keeps pace meanwhile."""
        provider.up(machine)
        booted = pace.now(self._connections.open(machine))
        facts = self._provisioning.provision_from_some_box(machine, stap=stap, new=new)
        pace.check(machine.name, booted, pace.now(self._connections.open(machine)))
        return facts
