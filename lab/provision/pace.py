"""Checks that a guest's clock runs as fast as the host's: otherwise measured times are meaningless."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lab.endpoint.ssh import Shell
from lab.foundation.errors import BrokenEnvironment

OFF_BY = 0.2
"""Largest relative error of a clock; a larger one means wrong calibration, a correct clock is within a thousandth."""

ASKING_S = 2.0
"""Delay allowed for the answer of a busy guest, in addition to the relative error."""


@dataclass(frozen=True)
class Moment:
    """One moment by two clocks.

    Attributes:
        host_s: By the host's CLOCK_MONOTONIC, in seconds.
        guest_s: By the guest's CLOCK_BOOTTIME, in seconds.
        boot: The guest's boot id: its clock restarts with each boot (random(4), boot_id).
    """

    host_s: float
    guest_s: float
    boot: str


def now(shell: Shell) -> Moment:
    """Return the present moment by the clocks of host and guest.

    Raises:
        BrokenEnvironment: it does not answer.
    """
    uptime_s, _idle_s, boot = shell.ask(["cat", "/proc/uptime", "/proc/sys/kernel/random/boot_id"]).split()
    return Moment(time.monotonic(), float(uptime_s), boot)


def check(name: str, before: Moment, after: Moment) -> None:
    """Check that a guest's clock kept pace between two moments of one boot; different boots cannot be compared.

    Args:
        name: The machine.
        before: A moment.
        after: A later one.

    Raises:
        BrokenEnvironment: it did not keep pace.
    """
    if before.boot != after.boot:
        return
    host_s, guest_s = after.host_s - before.host_s, after.guest_s - before.guest_s
    if abs(guest_s - host_s) > ASKING_S + OFF_BY * host_s:
        raise BrokenEnvironment(
            f"{name}: its clock advanced by {guest_s:.1f} s in {host_s:.1f} s, so times measured by it are meaningless",
            hint=f"recreate it when this machine is less busy: lab destroy {name} && lab up {name}",
        )
