"""One use of the lab: its home, its work, and one connection to each machine, reused until the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from lab import lanes
from lab.catalogue.machine import Definition, Machine
from lab.errors import BadInput, BrokenEnvironment, Cancelled
from lab.files import locked
from lab.home import MACHINES, PROVISION, Home
from lab.kernels.find import machines as find_machines
from lab.kernels.store import KernelStore
from lab.parallel import for_each
from lab.preference import Preference
from lab.provider import choice as choices
from lab.provider import own_box
from lab.provider.base import Provider, State
from lab.provider.choice import Choice
from lab.provider.host import Host
from lab.provider.qemu import Qemu
from lab.provider.qemu_process import PortTaken
from lab.provider.snapshot import StandsStill
from lab.provider.vagrant import Vagrant
from lab.provision import pace
from lab.provision.ensure import ensure, named
from lab.provision.facts import Facts
from lab.provision.wake import wake
from lab.ssh import Shell
from lab.store import RunStore
from lab.work import Work


class Session:
    """What the commands work with; use it in a `with` statement.

    Args:
        home: Where the lab keeps things.
        work: Told of each step; its cancellation ends them.
        most_lanes: How many lanes a machine gets at most; as many as it has processors for when None.
    """

    def __init__(self, home: Home, work: Work, most_lanes: int | None = None) -> None:
        self.home = home
        self._most_lanes = lanes.MOST if most_lanes is None else most_lanes
        self.work = work
        self.store = RunStore(home.runs)
        self.kernels = KernelStore(home.kernels)
        self._host = Host(home, work)
        self._choices: dict[str, Choice] = {}
        self._shells: dict[str, Shell] = {}
        self._lock = threading.Lock()

    def find(self, names: Sequence[str], *, all_kernels: bool = False) -> list[Definition]:
        """Give the machines of these names, kernels that were added among them; for none, all of the catalogue.

        Args:
            names: What was typed.
            all_kernels: Whether no name stands for all kernels as well.

        Raises:
            BadInput: there is no machine of a name.
        """
        return find_machines(MACHINES, self.kernels, names, all_kernels=all_kernels)

    def as_they_are(self, definitions: Sequence[Definition]) -> list[Machine]:
        """Give machines on the systems they have; those that are not there, as nobody chose anything.

        Raises:
            BadInput: the file of one has changed, and does not have that system any more.
        """
        return [self._as_it_is(definition) for definition in definitions]

    def planned(self, definitions: Sequence[Definition], preference: Preference) -> list[Machine]:
        """Give machines as they would be brought up were they not there; by Vagrant even where it cannot be had.

        Raises:
            BadInput: what is preferred does not go with a machine.
        """
        return [
            self._settled(definition, choices.foresee(definition, preference, self._host)) for definition in definitions
        ]

    def chosen(self, definitions: Sequence[Definition], preference: Preference) -> list[Machine]:
        """Give machines on the systems they have; for those that are not there, choose system and provider, and say so.

        Raises:
            BadInput: what is preferred does not go with a machine, or it is there in another way.
            BrokenEnvironment: what is preferred cannot be had here.
        """
        return [self._choose(definition, preference) for definition in definitions]

    def choice(self, machine: Machine) -> Choice:
        """Give how a machine is brought up."""
        return self._choices[machine.name]

    def provider(self, machine: Machine) -> Provider:
        """Give the provider that brings this machine up."""
        return self._provider(self.choice(machine))

    def vagrant(self, machine: Machine) -> Vagrant | None:
        """Give the Vagrant provider, where it is the machine's."""
        provider = self.provider(machine)
        return provider if isinstance(provider, Vagrant) else None

    def has_saved(self, machine: Machine) -> bool:
        """Tell whether the machine has a saved state to start from."""
        embedded = self._embedded(machine)
        return embedded is not None and embedded.has_saved(machine)

    def _embedded(self, machine: Machine) -> Qemu | None:
        """Give the embedded provider, where it is the machine's: no other saves what it runs."""
        provider = self.provider(machine)
        return provider if isinstance(provider, Qemu) else None

    def _provider(self, choice: Choice) -> Provider:
        hypervisor = choice.hypervisor
        if hypervisor is None:
            return Qemu(self.home, self.work)
        return Vagrant(self.home, self.work, hypervisor, lambda: self._host.accelerates(hypervisor))

    def _as_it_is(self, definition: Definition) -> Machine:
        choice = choices.stored(self.home.choice(definition.name)) or choices.unchosen(definition)
        self._choices[definition.name] = choice
        return choices.applied(definition, choice)

    def _choose(self, definition: Definition, preference: Preference) -> Machine:
        machine = self._as_it_is(definition)
        is_there = self.home.machine(definition.name).exists()
        if is_there and self.provider(machine).state(machine) is not State.ABSENT:
            choice = self.choice(machine)
            if not choices.satisfies(definition, choice, preference):
                raise BadInput(
                    f"{machine.name} is there already, by {choice.in_words}: {machine.in_words}",
                    hint=f"to have it another way, destroy it first: lab destroy {machine.name}",
                )
            return machine
        machine = self._settled(definition, choices.decide(definition, preference, self._host))
        choice = self.choice(machine)
        self.work.note(f"{machine.in_words}, by {choice.in_words}: {choice.reason}", machine.name)
        return machine

    def _settled(self, definition: Definition, choice: Choice) -> Machine:
        self._choices[definition.name] = choice
        return choices.applied(definition, choice)

    @contextmanager
    def using(self, *machines: Machine | Definition) -> Iterator[None]:
        """Keep other commands from these machines.

        Raises:
            BrokenEnvironment: another command does not let go of one.
        """
        with ExitStack() as stack:
            # Always in the same order, so that two commands never wait for each other.
            for name in sorted(machine.name for machine in machines):
                stack.enter_context(locked(self.home.machine_lock(name), name, self.work))
            yield

    def shell(self, machine: Machine) -> Shell:
        """Give the connection to a running machine, made when there is none.

        Raises:
            BrokenEnvironment: it is not running, or does not let us in.
        """
        with self._lock:
            known = self._shells.get(machine.name)
        if known is not None:
            return known
        shell = Shell(self.provider(machine).endpoint(machine), self.work)
        with self._lock:
            return self._shells.setdefault(machine.name, shell)

    def bring_up(
        self, machines: Sequence[Machine], *, stap: bool = False, cold: bool = False, save: bool = True
    ) -> list[Facts]:
        """Bring machines, all at once, from wherever they are to where trials can run.

        Args:
            machines: The machines, as they are or as they were chosen.
            stap: Whether they shall be able to trace with systemtap.
            cold: Whether to boot those that could go on from a saved state.
            save: Whether those that are booted shall be saved for the next time.

        Raises:
            BrokenEnvironment: one could not be brought up; the others are.
            Cancelled: the work was cancelled; those that were not running are off again.
        """

        def bring_up(machine: Machine) -> Facts:
            provider = self.provider(machine)
            was_running = provider.state(machine) is State.RUNNING
            try:
                self._settle(machine)
                if was_running or cold or (facts := self._resumed(machine)) is None:
                    provider.up(machine)
                    booted = pace.now(self.shell(machine))
                    facts = self.provisioned(machine, stap=stap)
                    pace.check(machine.name, booted, pace.now(self.shell(machine)))
                    if save and not was_running:
                        self._save(machine)
            except Cancelled:
                if not was_running:
                    provider.switch_off(machine)
                raise
            return facts

        for choice in {self.choice(machine).in_words: self.choice(machine) for machine in machines}.values():
            theirs = [machine for machine in machines if self.choice(machine).in_words == choice.in_words]
            self._provider(choice).prepare(theirs)
        return for_each(machines, bring_up, self.work)

    @contextmanager
    def up_meanwhile(self, machines: Sequence[Machine]) -> Iterator[None]:
        """Bring up those of these machines that do not run, and switch them off again, whatever happens.

        What they saved stays: the next time they are up in seconds.

        Raises:
            BrokenEnvironment: one could not be brought up.
        """
        off = [machine for machine in machines if self.provider(machine).state(machine) is not State.RUNNING]
        try:
            self.bring_up(machines)
            yield
        finally:
            for machine in off:
                self.forget(machine)
                self.provider(machine).switch_off(machine)

    def _resumed(self, machine: Machine) -> Facts | None:
        """Let a machine go on from its saved state; None when it has none, or none that can be used."""
        embedded = self._embedded(machine)
        if embedded is None or not embedded.can_resume(machine, self._provisioning_of(machine)):
            return None
        try:
            with self.work.step("resuming from its saved state", machine.name):
                behind_s = embedded.resume(machine)
                wake(self.shell(machine), behind_s)
                return self.provisioned(machine)
        except PortTaken:
            raise
        except BrokenEnvironment as error:
            self.forget(machine)
            embedded.discard(machine)
            self.work.note(
                f"it boots, on a new disk: its saved state could not be resumed: {error.message}", machine.name
            )
            return None

    def _save(self, machine: Machine) -> None:
        """Save a machine's state for the next time; that it cannot be is no error, as long as the machine runs on."""
        embedded = self._embedded(machine)
        if embedded is None:
            return
        try:
            with self.work.step("saving its state", machine.name):
                embedded.save(machine, self._provisioning_of(machine), self.shell(machine))
        except StandsStill as error:
            self.forget(machine)
            raise BrokenEnvironment(
                f"{machine.name} was switched off: {error.message}", hint=f"bring it up again: lab up {machine.name}"
            ) from error
        except (BrokenEnvironment, OSError) as error:
            self.work.note(f"it will boot the next time: its state could not be saved: {error}", machine.name)

    def _settle(self, machine: Machine) -> None:
        """Remember how the machine is brought up, and remove what another way may have left half made."""
        path, choice = self.home.choice(machine.name), self.choice(machine)
        before = choices.stored(path)
        if before and (before.provider, before.hypervisor) != (choice.provider, choice.hypervisor):
            self._provider(before).destroy(machine)
        choices.store(path, choice)

    def provisioned(self, machine: Machine, *, stap: bool = False) -> Facts:
        """Make a running machine ready for trials; does nothing to one that is.

        Args:
            machine: The machine.
            stap: Whether it shall be able to trace with systemtap.

        Raises:
            BrokenEnvironment: it is not running, or a step failed.
        """
        return ensure(
            self.shell(machine),
            machine,
            PROVISION,
            lanes=self._lanes(machine),
            stap=stap,
            reboot=lambda: self._boot_anew(machine),
            work=self.work,
        )

    def _provisioning_of(self, machine: Machine) -> str:
        return named(PROVISION, lanes=self._lanes(machine))

    def _lanes(self, machine: Machine) -> int:
        return min(self._most_lanes, lanes.default(machine.cpus))

    def _boot_anew(self, machine: Machine) -> None:
        provider = self.provider(machine)
        provider.halt(machine)
        provider.up(machine)

    def tidy(self) -> None:
        """Remove what machines shared that are gone.

        Raises:
            BrokenEnvironment: it cannot be removed now; the next time it is tried again.
        """
        for hypervisor in own_box.in_use(self.home):
            Vagrant(self.home, self.work, hypervisor, lambda: False).tidy()

    def forget(self, machine: Machine) -> None:
        """Close the connection to a machine that goes away."""
        with self._lock:
            shell = self._shells.pop(machine.name, None)
        if shell is not None:
            shell.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for shell in self._shells.values():
            shell.close()
