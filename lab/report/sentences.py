"""What is said of machines and differences beside every table, on a terminal as in a ticket."""

from __future__ import annotations

from typing import Protocol

from lab.comparison import Comparison, Difference, LeftOut
from lab.store import RanOn

NOT_KNOWN = "not known"
"""Instead of an era that nobody has found out."""

LIKELY = 0.05
"""A difference that chance alone would make more often than this is not worth a line."""


class Kind(Protocol):
    """What a machine is, whoever says so."""

    @property
    def replica(self) -> bool:
        """Whether ctrewind makes a newer kernel behave as its era."""

    @property
    def added(self) -> bool:
        """Whether its kernel is one that somebody gave the lab."""


def called(name: str, kind: Kind) -> str:
    """Give a machine's name; a replica never passes for the real thing, nor a kernel that was added for a machine."""
    if kind.added:
        return f"kernel {name}"
    return f"{name} (replica)" if kind.replica else name


def machine(name: str, ran_on: RanOn) -> str:
    """Say what a machine was."""
    kind = "a replica, rewound to" if ran_on.replica else "added," if ran_on.added else "untouched,"
    system = f" on {ran_on.system}" if ran_on.system else ""
    queue = "" if ran_on.queued_by == "nfqdns" else f"; nfqdns was not to be had: packets queued by {ran_on.queued_by}"
    return f"{name}: kernel {ran_on.kernel}{system}, {kind} era {ran_on.era or NOT_KNOWN}{queue}"


def left_out(found: LeftOut) -> str:
    """Say what a machine could not do."""
    return f"{found.scenario} on {found.machine} is left out: {found.reason}"


def difference(found: Difference) -> str:
    """Say how two machines differ, and how likely that is by chance alone."""
    counts = " against ".join(f"{cell.stalled} of {cell.counted}" for cell in (found.one, found.other))
    who = f"{found.one.machine} and {found.other.machine}"
    return f"{found.scenario}: {who} differ, {counts} stalled (Fisher's exact test: p = {found.p:.2g})"


def differences(compared: Comparison) -> list[str]:
    """Say where two machines differ."""
    return [difference(found) for found in compared.differences if found.p <= LIKELY]
