"""What a report lacks, and the command that adds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lab.catalogue.era import Era
from lab.comparison.cells import Comparison
from lab.comparison.sweep import SweepPoint
from lab.comparison.twins import FAVOURITE, Twins


class Lacking(StrEnum):
    """A part that a report may lack."""

    EVIDENCE = "evidence"
    """No trial was made with evidence, so that no packet can be followed."""
    RACE = "race"
    """No scenario arms the race, so that the trials show nothing about a kernel."""
    DROP = "drop"
    """No machine of era `drop`: nothing that could stall."""
    OTHER = "other"
    """No machine of another era: nothing to compare with."""
    WORKAROUNDS = "workarounds"
    """Some workarounds were not tried."""
    CURVE = "curve"
    """No sweep."""


@dataclass(frozen=True)
class Lack:
    """A missing part.

    Attributes:
        what: Which part.
        command: The command that adds it.
    """

    what: Lacking
    command: str


def gaps(
    compared: Comparison, twins: Twins | None, curve: Sequence[SweepPoint], untried: Sequence[str]
) -> Iterable[Lack]:
    """Return the missing parts.

    Args:
        compared: The machines side by side.
        twins: The trials that are followed packet by packet.
        curve: How often the race is armed, against how long the verdict is held.
        untried: The names of workarounds that were not tried.
    """
    machines = _each(*compared.machines)
    eras = {machine.era for machine in compared.machines.values()}
    shown = twins.scenario.name if twins else FAVOURITE
    if not any(cell.arms for cell in compared.cells):
        yield Lack(Lacking.RACE, f"lab run {machines} -s {FAVOURITE} --evidence")
    if Era.DROP not in eras:
        yield Lack(Lacking.DROP, f"lab up old && lab run {_each('old', *compared.machines)} -s {shown} --evidence")
    if eras <= {Era.DROP}:
        yield Lack(Lacking.OTHER, f"lab up new && lab run {_each(*compared.machines, 'new')} -s {shown} --evidence")
    if twins is None or not twins.gathered:
        yield Lack(Lacking.EVIDENCE, f"lab run {machines} -s {shown} --evidence")
    if untried:
        yield Lack(Lacking.WORKAROUNDS, f"lab run {machines} {' '.join(f'-s {name}' for name in untried)}")
    if not curve:
        yield Lack(Lacking.CURVE, f"lab sweep {machines}")


def _each(*names: str) -> str:
    return " ".join(dict.fromkeys(names))
