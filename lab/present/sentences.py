"""Sentences about machines and differences, the same on a terminal and in a ticket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from lab.catalogue.machine import System
from lab.comparison.statistics import LIKELY
from lab.foundation.language import N_

if TYPE_CHECKING:  # a machine's name needs no comparison
    from lab.comparison.cells import Cell, Comparison, Difference, LeftOut, PairCounts
    from lab.runs.run import RanOn

NOT_KNOWN = N_("not known")
"""Stands for an era that has not been measured."""

LABELS = {System.CENTOS: "CentOS", System.KERNEL: "kernel", System.REPLICA: "replica"}
"""The systems on which the same machine may exist, as a note names them."""

_CALLED = {
    System.CENTOS: N_("{0} (CentOS)"),
    System.KERNEL: N_("{0} (kernel)"),
    System.REPLICA: N_("{0} (replica)"),
    System.ADDED: N_("kernel {0}"),
}

_ABOUT = {
    System.CENTOS: N_("CentOS's kernel under CentOS's userland,"),
    System.KERNEL: N_("CentOS's kernel, not CentOS's userland,"),
    System.REPLICA: N_("a replica, rewound to"),
    System.DEBIAN: N_("untouched,"),
    System.ADDED: N_("added,"),
    System.HOST: N_("as it is,"),
}


_UNVERIFIED = N_("given as CentOS's kernel (its packages' signatures were not verified), not CentOS's userland,")


class HasSystem(Protocol):
    """Anything that has a machine's system."""

    @property
    def system(self) -> System | None:
        """The machine's system; None while it is undecided."""


def called(name: str, kind: HasSystem) -> str:
    """Return a machine's name with its system: a replica is no real kernel, and a real kernel no CentOS."""
    return _CALLED[kind.system].format(name) if kind.system in _CALLED else name


def machine(name: str, ran_on: RanOn) -> str:
    """Return a sentence about a machine: its kernel, userland and era."""
    if ran_on.queued_by == "nfqdns":
        return _machine(name, ran_on)
    return f"{_machine(name, ran_on)}; nfqdns was not available: packets queued by {ran_on.queued_by}"


def _machine(name: str, ran_on: RanOn) -> str:
    about = _UNVERIFIED if ran_on.verified is False else _ABOUT[ran_on.system]
    kernel, userland, era = ran_on.kernel, ran_on.distribution, ran_on.era or NOT_KNOWN
    if not userland:
        return f"{name}: kernel {kernel}, {about} era {era}"
    if ran_on.system is System.KERNEL:
        return f"{name}: kernel {kernel} under the userland of {userland}, {about} era {era}"
    return f"{name}: kernel {kernel} on {userland}, {about} era {era}"


def answer(name: str, compared: Comparison) -> str:
    """Return a sentence about what a machine's kernel did in the trials that count."""
    from lab.comparison.kernel_summary import sentence  # noqa: PLC0415  as above

    return sentence(name, compared.cells, called(name, compared.machines[name]))


def mixed(machines: Mapping[str, RanOn]) -> list[str]:
    """Return a note if the machines are on different systems; else nothing."""
    on = {name: LABELS[ran_on.system] for name, ran_on in machines.items() if ran_on.system in LABELS}
    if len(set(on.values())) < 2:  # noqa: PLR2004  one system needs no note
        return []
    named = ", ".join(f"{name} on {label}" for name, label in on.items())
    return [f"the machines are on several systems ({named}): they differ in more than what becomes of a clash"]


def left_out(left: LeftOut, machines: Mapping[str, RanOn]) -> str:
    """Return a sentence about a scenario that a machine left out."""
    return f"{left.scenario} on {called(left.machine, machines[left.machine])} is left out: {left.reason}"


def pairs(compared: Comparison) -> list[str]:
    """Return a sentence for each cell whose lookups made several pairs of queries, each of which may stall."""
    return [_pairs(cell, cell.pairs, compared.machines) for cell in compared.cells if cell.pairs]


def _pairs(cell: Cell, counts: PairCounts, machines: Mapping[str, RanOn]) -> str:
    where = f"{cell.scenario} on {called(cell.machine, machines[cell.machine])}"
    return (
        f"{where}: {counts.armed} of {counts.made} pairs of queries were armed, in {counts.armed_lookups} of "
        f"{counts.lookups} lookups; {counts.stalled} waited for a timeout of {cell.timeout_s:g} s"
    )


def difference(pair: Difference, machines: Mapping[str, RanOn]) -> str:
    """Return a sentence about a difference between two machines, with its p."""
    one, other = pair.one, pair.other
    first, second = (called(cell.machine, machines[cell.machine]) for cell in (one, other))
    return (
        f"{pair.scenario}: {first} and {second} differ, {one.stalled} of {one.counted} against {other.stalled} of "
        f"{other.counted} stalled (Fisher's exact test: p = {pair.p:.2g})"
    )


def differences(compared: Comparison) -> list[str]:
    """Return a sentence for each difference that chance does not explain."""
    return [difference(pair, compared.machines) for pair in compared.differences if pair.p <= LIKELY]
