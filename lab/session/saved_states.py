"""Saves provisioned machines, and resumes them from there."""

from __future__ import annotations

from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from lab.provider.qemu_process import PortTaken
from lab.provider.snapshot import StandsStill
from lab.provision.facts import Facts
from lab.provision.wake import wake
from lab.session.connections import Connections
from lab.session.machine import ChosenMachine
from lab.session.providers import Providers
from lab.session.provisioning import Provisioning


class SavedStates:
    """The saved states of a session's machines.

    Args:
        work: Reports each step.
        providers: The embedded one among them saves and resumes.
        connections: The way into each machine.
        provisioning: Is part of what a saved state holds.
    """

    def __init__(self, work: Work, providers: Providers, connections: Connections, provisioning: Provisioning) -> None:
        self._work = work
        self._providers = providers
        self._connections = connections
        self._provisioning = provisioning

    def has_one(self, machine: ChosenMachine) -> bool:
        """Return whether the machine has a saved state to start from."""
        embedded = self._providers.embedded(machine)
        return embedded is not None and embedded.has_saved(machine)

    def resume(self, machine: ChosenMachine) -> Facts | None:
        """Resume a machine from its saved state; None when it has none, or none that can be used."""
        embedded = self._providers.embedded(machine)
        if embedded is None or not embedded.can_resume(machine, self._provisioning.key(machine)):
            return None
        try:
            with self._work.step("resuming from its saved state", machine.name):
                behind_s = embedded.resume(machine)
                wake(self._connections.open(machine), behind_s)
                return self._provisioning.provision(machine)
        except PortTaken:
            raise
        except BrokenEnvironment as error:
            self._connections.close(machine)
            embedded.discard(machine)
            self._work.note(
                f"it boots, on a new disk: its saved state could not be resumed: {error.message}", machine.name
            )
            return None

    def save(self, machine: ChosenMachine) -> None:
        """Save a machine's state for the next time; a failure is only a note, as long as the machine runs on."""
        embedded = self._providers.embedded(machine)
        if embedded is None:
            return
        try:
            with self._work.step("saving its state", machine.name):
                embedded.save(machine, self._provisioning.key(machine), self._connections.open(machine))
        except StandsStill as error:
            self._connections.close(machine)
            raise BrokenEnvironment(
                f"{machine.name} was switched off: {error.message}", hint=f"bring it up again: lab up {machine.name}"
            ) from error
        except (BrokenEnvironment, OSError) as error:
            self._work.note(f"it will boot the next time: its state could not be saved: {error}", machine.name)
