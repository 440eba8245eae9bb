"""Interface of a provider."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from lab.catalogue.machine import Machine

if TYPE_CHECKING:
    from lab.endpoint.endpoint import Endpoint

HOST = "127.0.0.1"
"""Guests are reached on this address only."""


class State(StrEnum):
    """State of a machine."""

    ABSENT = "absent"
    """It does not exist."""
    HALTED = "halted"
    """Its disk exists."""
    RUNNING = "running"
    """Its kernel runs."""


class Provider(Protocol):
    """Brings machines up and down; each call does nothing if the machine is already in the wanted state."""

    def state(self, machine: Machine) -> State:
        """Return the machine's state."""

    def prepare(self, machines: Sequence[Machine]) -> None:
        """Create what these machines share; called once, before they are brought up in parallel."""

    def up(self, machine: Machine) -> Endpoint:
        """Bring the machine up until a login is possible; leaves nothing running on failure."""

    def endpoint(self, machine: Machine) -> Endpoint:
        """Return the endpoint of a running machine."""

    def switch_off(self, machine: Machine) -> None:
        """Stop the machine at once, like a power button; its disk is kept."""

    def halt(self, machine: Machine) -> None:
        """Stop the machine; its disk is kept."""

    def destroy(self, machine: Machine) -> None:
        """Remove the machine, whatever its state."""


def free_port() -> int:
    """Return a TCP port that is free now; another program may take it before it is used."""
    import socket  # noqa: PLC0415  needed for a boot only

    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
