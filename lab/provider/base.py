"""What the rest of the lab knows of a provider."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from lab.catalogue.machine import Machine
from lab.endpoint import Endpoint

HOST = "127.0.0.1"
"""Guests are reached here and nowhere else."""


class State(StrEnum):
    """How far a machine's life has come."""

    ABSENT = "absent"
    """Nothing of it exists."""
    HALTED = "halted"
    """Its disk exists."""
    RUNNING = "running"
    """Its kernel runs."""


class Provider(Protocol):
    """Brings machines up and down; each call does nothing when there is nothing to do."""

    def state(self, machine: Machine) -> State:
        """Tell how far the machine's life has come."""

    def prepare(self, machines: Sequence[Machine]) -> None:
        """Make what these machines share; once, before they are brought up at the same time."""

    def up(self, machine: Machine) -> Endpoint:
        """Bring the machine up until it can be logged in to; leaves nothing running when it cannot."""

    def endpoint(self, machine: Machine) -> Endpoint:
        """Give the endpoint of a running machine."""

    def switch_off(self, machine: Machine) -> None:
        """Stop the machine at once, as by its power button; its disk stays."""

    def halt(self, machine: Machine) -> None:
        """Stop the machine; its disk stays."""

    def destroy(self, machine: Machine) -> None:
        """Remove everything of the machine, whatever state it is in."""


def free_port() -> int:
    """Give a TCP port that is free now; only whoever takes it knows whether it still is."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
