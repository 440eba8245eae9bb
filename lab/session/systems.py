"""The system that each machine of a command has, would have, or gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.catalogue.machine import Definition, System
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.home import PROVISION, Home
from lab.foundation.later import Later, MadeOnce
from lab.foundation.work import Work
from lab.provider.base import State
from lab.provider.choice import Choice, decide, foresee, instead, satisfies, stored, unchosen
from lab.session.machine import ChosenMachine
from lab.session.providers import Providers

if TYPE_CHECKING:
    from lab.kernels import own as own_kernels
    from lab.kernels.own import OwnKernels
    from lab.kernels.store import KernelStore
    from lab.provider.host import Host
    from lab.provider.preference import Preference
else:
    own_kernels = Later("lab.kernels.own")


@dataclass(frozen=True)
class _Decision:
    """What was decided for a machine.

    Attributes:
        definition: The machine.
        choice: How it is, or will be, brought up.
        state: The machine's state by now.
    """

    definition: Definition
    choice: Choice
    state: State


class Systems:
    """The systems of a lab's machines.

    Args:
        home: Where machines and their stored choices are.
        kernels: The kernels that were added.
        host: What this host can run Vagrant's guests with.
        providers: Know each machine's state.
        work: Reports each step.
    """

    def __init__(self, home: Home, kernels: KernelStore, host: Host, providers: Providers, work: Work) -> None:
        self._home = home
        self._host = host
        self._providers = providers
        self._work = work
        self._store = kernels

    @MadeOnce
    def _kernels(self) -> OwnKernels:
        return own_kernels.OwnKernels(self._store, PROVISION, self._home.cache, self._work)

    def current(self, definitions: Sequence[Definition]) -> list[ChosenMachine]:
        """Return machines on the systems they have; an absent one as it is while nothing is chosen.

        Raises:
            BadInput: a machine's file has changed, and no longer has that system.
        """
        return [self._current(definition) for definition in definitions]

    def planned(self, definitions: Sequence[Definition], preference: Preference) -> list[ChosenMachine]:
        """Return machines as they would be brought up if they were absent; by Vagrant even where it is missing.

        Raises:
            BadInput: the preference does not fit a machine.
        """
        self._expect_kernels(definitions)
        return [self._planned(definition, preference) for definition in definitions]

    def choose(self, definitions: Sequence[Definition], preference: Preference) -> list[ChosenMachine]:
        """Return machines on the systems they have; for an absent one choose a system, and report which and why.

        Raises:
            BadInput: the preference does not fit a machine, or the machine exists in another way.
            BrokenEnvironment: the preferred system or provider is not available here.
            Cancelled: the work was cancelled while a kernel was downloaded.
        """
        self._expect_kernels(definitions)
        # A preference that does not fit one machine must show before a kernel is downloaded for another.
        decisions = [self._decision(definition, preference) for definition in definitions]
        return [self._completed(decision, preference) for decision in decisions]

    def _expect_kernels(self, definitions: Sequence[Definition]) -> None:
        self._kernels.expect(definition.kernel.known for definition in definitions if definition.kernel)

    def _current(self, definition: Definition) -> ChosenMachine:
        choice = stored(self._home.choice(definition.name)) or unchosen(definition)
        return ChosenMachine.of(definition, choice)

    def _planned(self, definition: Definition, preference: Preference) -> ChosenMachine:
        choice = foresee(definition, preference, self._host, self._kernels)
        own = definition.kernel
        if choice.system is System.KERNEL and own:
            where = self._kernels.where(own.known) or self._kernels.why_not(own.known)
            reason = choice.reason if where in choice.reason else f"{choice.reason}; {where}"
            choice = choice.model_copy(update={"kernel": self._kernels.foreseen(own), "reason": reason})
        return ChosenMachine.of(definition, choice)

    def _decision(self, definition: Definition, preference: Preference) -> _Decision:
        machine = self._current(definition)
        exists = self._home.machine(definition.name).exists()
        state = self._providers.of(machine).state(machine) if exists else State.ABSENT
        if state is State.ABSENT:
            choice = decide(definition, preference, self._host, self._kernels)
            return _Decision(definition, choice, state)
        if not satisfies(definition, machine.choice, preference):
            raise BadInput(
                f"{machine.name} is there already, by {machine.choice.in_words}: {machine.in_words}",
                hint=f"to have it another way, destroy it first: lab destroy {machine.name}",
            )
        return _Decision(definition, machine.choice, state)

    def _completed(self, decision: _Decision, preference: Preference) -> ChosenMachine:
        """Return a machine as decided, with its kernel; by default as a replica if its kernel is not available."""
        definition, choice = decision.definition, decision.choice
        if decision.state is State.RUNNING:
            return ChosenMachine.of(definition, choice)
        try:
            choice = self._with_kernel(definition, choice)
        except BrokenEnvironment as error:
            is_requested = preference.system is not None or decision.state is not State.ABSENT
            other = None if is_requested else instead(definition, choice, error.message)
            if other is None:
                raise
            choice = other
        machine = ChosenMachine.of(definition, choice)
        if decision.state is State.ABSENT:
            reason = choice.brief or choice.reason
            self._work.note(f"{machine.in_words}, by {choice.in_words}: {reason}", machine.name)
        return machine

    def _with_kernel(self, definition: Definition, choice: Choice) -> Choice:
        """Return a choice with the kernel that it needs, which is downloaded if the store does not have it.

        Raises:
            BrokenEnvironment: the kernel is not available.
            Cancelled: the work was cancelled.
        """
        if choice.system is not System.KERNEL or definition.kernel is None:
            return choice
        return choice.model_copy(update={"kernel": self._kernels.obtained(definition.kernel, choice.kernel)})
