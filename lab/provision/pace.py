"""Whether a guest's clock runs as fast as the host's: on a wrong one no time means anything."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lab.errors import BrokenEnvironment
from lab.ssh import Shell

OFF_BY = 0.2
"""A clock that is off by a larger share was calibrated wrongly; a right one is off by a thousandth at most."""

ASKING_S = 2.0
"""How much later than it was asked a busy guest may answer: less than a clock must be off to be caught at all."""


@dataclass(frozen=True)
class Moment:
    """The same moment by two clocks.

    Attributes:
        host_s: By the host's CLOCK_MONOTONIC, in seconds.
        guest_s: By the guest's CLOCK_BOOTTIME, in seconds.
    """

    host_s: float
    guest_s: float


def now(shell: Shell) -> Moment:
    """Ask a guest what time it is.

    Raises:
        BrokenEnvironment: it does not answer.
    """
    uptime = shell.ask(["cat", "/proc/uptime"])
    return Moment(time.monotonic(), float(uptime.split()[0]))


def check(name: str, before: Moment, after: Moment) -> None:
    """Make sure that a guest's clock kept pace between two moments.

    Args:
        name: The machine.
        before: A moment.
        after: A later one.

    Raises:
        BrokenEnvironment: it did not.
    """
    host_s, guest_s = after.host_s - before.host_s, after.guest_s - before.guest_s
    if abs(guest_s - host_s) > ASKING_S + OFF_BY * host_s:
        raise BrokenEnvironment(
            f"{name}: its clock went {guest_s:.1f} s in {host_s:.1f} s: no time it tells would mean anything",
            hint=f"boot it afresh, when this machine is less busy: lab destroy {name} && lab up {name}",
        )
