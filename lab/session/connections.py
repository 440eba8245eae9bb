"""One SSH connection to each running machine, reused until the end of the session."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from lab.foundation.errors import BrokenEnvironment
from lab.foundation.later import Later, load_meanwhile
from lab.foundation.work import Work
from lab.session.machine import ChosenMachine

if TYPE_CHECKING:
    from lab.endpoint import ssh
    from lab.session.providers import Providers
else:
    ssh = Later("lab.endpoint.ssh")

SYNC_BOUND_S = 10.0
"""For a guest's unwritten files, some MB; a guest that hangs is switched off after that."""


class Connections:
    """The open connections of a session.

    Args:
        providers: Know where each machine's sshd listens.
        work: Reports each step.
    """

    def __init__(self, providers: Providers, work: Work) -> None:
        self._providers = providers
        self._work = work
        self._shells: dict[str, ssh.Shell] = {}
        self._lock = threading.Lock()

    @staticmethod
    def expect() -> None:
        """Prepare for logins to machines that are about to start."""
        load_meanwhile("fabric")

    def open(self, machine: ChosenMachine) -> ssh.Shell:
        """Return the connection to a running machine, opened when there is none.

        Raises:
            BrokenEnvironment: the machine is not running, or refuses the login.
        """
        known = self._known(machine)
        if known is not None:
            return known
        shell = ssh.Shell(self._providers.of(machine).endpoint(machine), self._work)
        with self._lock:
            return self._shells.setdefault(machine.name, shell)

    def sync(self, machine: ChosenMachine) -> None:
        """Flush a machine's file systems, if a connection to it is open and it still answers."""
        shell = self._known(machine)
        if shell is not None:
            with contextlib.suppress(BrokenEnvironment):
                shell.run(["sync"], bound_s=SYNC_BOUND_S, tidying=True)

    def close(self, machine: ChosenMachine) -> None:
        """Close the connection to a machine that goes away."""
        with self._lock:
            shell = self._shells.pop(machine.name, None)
        if shell is not None:
            shell.close()

    def close_all(self) -> None:
        """Close every connection."""
        for shell in self._shells.values():
            shell.close()

    def _known(self, machine: ChosenMachine) -> ssh.Shell | None:
        with self._lock:
            return self._shells.get(machine.name)
