"""What happened across trials and machines: one cell for each scenario on each machine."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lab.catalogue.scenario import Expected, Scenario
from lab.store import RanOn
from lab.verdict import Outcome, Verdict


class CellVerdict(StrEnum):
    """How the trials of a cell that count went, taken together."""

    HEALTHY = "healthy"
    STALLED = "stalled"
    MIXED = "mixed"
    """Some stalled, some did not."""
    UNARMED = "unarmed"
    """None was armed: nothing is known."""
    FAILED = "failed"
    """None could be judged."""


@dataclass(frozen=True)
class Cell:
    """A scenario on a machine.

    Attributes:
        machine: The machine's name.
        scenario: The scenario's name.
        arms: Whether the scenario sets out to arm the race.
        trials: How many were made.
        armed: In how many the race was armed.
        stalled: How many of those that count stalled.
        failed: How many could not be judged.
        median_s: Median name-lookup time of those that count, in seconds; None for none.
        max_s: The longest; likewise.
        verdict: How they went, taken together.
        expected: How they were expected to go; None when the scenario does not say for this era.
    """

    machine: str
    scenario: str
    arms: bool
    trials: int
    armed: int
    stalled: int
    failed: int
    median_s: float | None
    max_s: float | None
    verdict: CellVerdict
    expected: Expected | None

    @property
    def counted(self) -> int:
        """How many trials say something about the kernel: where the race is to be armed, the armed ones."""
        return self.armed if self.arms else self.trials - self.failed

    @property
    def as_expected(self) -> bool:
        """Whether the cell shows what its scenario expects, in every trial."""
        return self.failed == 0 and (self.expected is None or self.verdict.value == self.expected.value)


@dataclass(frozen=True)
class Comparison:
    """Machines side by side.

    Attributes:
        machines: Each machine as it was, by name.
        cells: In the order of scenarios, then machines.
        scenarios: The scenarios, by name.
    """

    machines: dict[str, RanOn]
    cells: tuple[Cell, ...]
    scenarios: dict[str, Scenario]

    @property
    def as_expected(self) -> bool:
        """Whether every cell shows what its scenario expects."""
        return all(cell.as_expected for cell in self.cells)


def cell(machine: str, ran_on: RanOn, scenario: Scenario, verdicts: Sequence[Verdict]) -> Cell:
    """Sum up the trials of a scenario on a machine."""
    judged = [verdict for verdict in verdicts if verdict.outcome is not Outcome.FAILED]
    counted = [verdict for verdict in judged if verdict.outcome is not Outcome.UNARMED]
    stalled = sum(verdict.outcome is Outcome.STALLED for verdict in counted)
    times_s = [verdict.lookup_s for verdict in counted if verdict.lookup_s is not None]
    return Cell(
        machine=machine,
        scenario=scenario.name,
        arms=scenario.arms,
        trials=len(verdicts),
        armed=sum(verdict.armed for verdict in judged),
        stalled=stalled,
        failed=len(verdicts) - len(judged),
        median_s=statistics.median(times_s) if times_s else None,
        max_s=max(times_s, default=None),
        verdict=_together(len(judged), len(counted), stalled),
        expected=scenario.expected.get(ran_on.era),
    )


def sentence(machine: str, cells: Iterable[Cell]) -> str:
    """Say in one plain sentence what a machine's kernel did in the trials that can tell."""
    telling = [cell for cell in cells if cell.machine == machine and cell.arms]
    if not telling:
        return f"{machine}: no scenario here arms the race, so nothing is said of its kernel"
    armed = sum(cell.armed for cell in telling)
    stalled = sum(cell.stalled for cell in telling)
    if armed == 0:
        return f"{machine}: no trial was armed, so nothing is known of its kernel"
    trials = "trial" if armed == 1 else "trials"
    if stalled == 0:
        return f"{machine}: none of {armed} armed {trials} stalled"
    median_s = statistics.median(cell.median_s for cell in telling if cell.stalled and cell.median_s is not None)
    about = f" about {median_s:.0f} s" if stalled == armed else ""
    return f"{machine}: {stalled} of {armed} armed {trials} stalled{about}"


def _together(judged: int, counted: int, stalled: int) -> CellVerdict:
    if judged == 0:
        return CellVerdict.FAILED
    if counted == 0:
        return CellVerdict.UNARMED
    if stalled == 0:
        return CellVerdict.HEALTHY
    return CellVerdict.STALLED if stalled == counted else CellVerdict.MIXED
