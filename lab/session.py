"""One use of the lab: its home, its work, and one connection to each machine, reused until the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from lab import provision
from lab.catalogue.machine import Machine
from lab.errors import Cancelled
from lab.files import locked
from lab.home import PROVISION, Home
from lab.parallel import for_each
from lab.provider.base import Provider, State
from lab.provider.qemu import Qemu
from lab.provision import Facts
from lab.ssh import Shell
from lab.store import RunStore
from lab.work import Work


class Session:
    """What the commands work with; use it in a `with` statement.

    Args:
        home: Where the lab keeps things.
        work: Told of each step; its cancellation ends them.
    """

    def __init__(self, home: Home, work: Work) -> None:
        self.home = home
        self.work = work
        self.store = RunStore(home.runs)
        self._shells: dict[str, Shell] = {}
        self._lock = threading.Lock()

    def provider(self, machine: Machine) -> Provider:
        """Give the provider that brings this machine up."""
        del machine  # every machine has the same one so far
        return Qemu(self.home, self.work)

    @contextmanager
    def using(self, *machines: Machine) -> Iterator[None]:
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

    def bring_up(self, machines: Sequence[Machine]) -> list[Facts]:
        """Bring machines, all at once, from wherever they are to where trials can run.

        Raises:
            BrokenEnvironment: one could not be brought up; the others are.
            Cancelled: the work was cancelled; those that were not running are off again.
        """

        def bring_up(machine: Machine) -> Facts:
            provider = self.provider(machine)
            was_running = provider.state(machine) is State.RUNNING
            try:
                provider.up(machine)
                return self.provisioned(machine)
            except Cancelled:
                if not was_running:
                    provider.switch_off(machine)
                raise

        for provider in {type(provider): provider for provider in map(self.provider, machines)}.values():
            provider.prepare()
        return for_each(machines, bring_up, self.work)

    def provisioned(self, machine: Machine) -> Facts:
        """Make a running machine ready for trials; does nothing to one that is.

        Raises:
            BrokenEnvironment: it is not running, or a step failed.
        """
        return provision.ensure(self.shell(machine), machine, PROVISION, 1, self.work)

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
