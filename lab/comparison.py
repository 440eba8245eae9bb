"""What happened across trials and machines: one cell for each scenario on each machine."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from lab.catalogue.scenario import Expected, Scenario
from lab.statistics import difference, peaks, share_interval
from lab.store import RanOn
from lab.verdict import Outcome, Verdict

UNJUDGED = (Outcome.FAILED, Outcome.CONTRADICTORY, Outcome.INCONCLUSIVE)
"""What says nothing of a kernel, the worst first."""


class CellVerdict(StrEnum):
    """How the trials of a cell that count went, taken together."""

    HEALTHY = "healthy"
    STALLED = "stalled"
    MIXED = "mixed"
    """Some stalled, some did not."""
    UNARMED = "unarmed"
    """None was armed: nothing is known."""
    FAILED = "failed"
    """None could be judged; likewise the next two."""
    CONTRADICTORY = "contradictory"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Part:
    """Some trials of a cell: those without evidence, or those with it.

    Attributes:
        trials: How many were made.
        armed: In how many the race was armed.
        counted: How many of them say something about the kernel.
        stalled: How many of those stalled.
        median_s: Their median name-lookup time, in seconds; None for none.
    """

    trials: int
    armed: int
    counted: int
    stalled: int
    median_s: float | None


@dataclass(frozen=True)
class Cell:
    """A scenario on a machine.

    Attributes:
        machine: The machine's name.
        scenario: The scenario's name.
        arms: Whether the scenario sets out to arm the race.
        trials: How many were made.
        armed: In how many the race was armed.
        counted: How many say something about the kernel: where the race is to be armed, the armed ones.
        stalled: How many of those that count stalled.
        unjudged: How many could not be judged, by outcome.
        median_s: Median name-lookup time of those that count, in seconds; None for none.
        max_s: The longest; likewise.
        peaks: How many of those that count took about how many seconds; None for those near no peak.
        interval: The 95 % Wilson interval of the share that stalled; None when none counts.
        bare: The trials without evidence.
        traced: Those with evidence.
        verdict: How they went, taken together.
        expected: How they were expected to go; None when the scenario does not say for this era.
        may_stay_unarmed: Whether it is as well when none was armed.
    """

    machine: str
    scenario: str
    arms: bool
    trials: int
    armed: int
    counted: int
    stalled: int
    unjudged: Mapping[Outcome, int]
    median_s: float | None
    max_s: float | None
    peaks: Mapping[float | None, int]
    interval: tuple[float, float] | None
    bare: Part
    traced: Part
    verdict: CellVerdict
    expected: Expected | None
    may_stay_unarmed: bool

    @property
    def own_median_s(self) -> float | None:
        """The median that is the lookups' own: of the trials without evidence, which takes time, if there are any."""
        return self.median_s if self.bare.median_s is None else self.bare.median_s

    @property
    def tracing_s(self) -> float | None:
        """By how much the median of the trials with evidence is above that of those without, in seconds.

        None where there are not both, or where only one of them has stalls: that is no matter of tracing's own time.
        """
        bare, traced = self.bare, self.traced
        if bare.median_s is None or traced.median_s is None or bool(bare.stalled) != bool(traced.stalled):
            return None
        return traced.median_s - bare.median_s

    @property
    def as_expected(self) -> bool:
        """Whether the cell shows what its scenario expects, in every trial."""
        return not self.unjudged and self.fits

    @property
    def fits(self) -> bool:
        """Whether the trials that could be judged show what the scenario expects."""
        if self.verdict is CellVerdict.UNARMED and self.may_stay_unarmed:
            return True
        return self.expected is None or self.verdict.value == self.expected.value


@dataclass(frozen=True)
class Difference:
    """Two machines in one scenario that arms the race.

    Attributes:
        scenario: The scenario.
        one: A machine's cell.
        other: Another's.
        p: The probability of counts at least as unlike as theirs if both kernels did the same (Fisher's exact test).
    """

    scenario: str
    one: Cell
    other: Cell
    p: float


@dataclass(frozen=True)
class LeftOut:
    """A scenario that a machine could not do.

    Attributes:
        machine: The machine's name.
        scenario: The scenario's name.
        reason: What it lacks.
    """

    machine: str
    scenario: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Machines side by side.

    Attributes:
        machines: Each machine as it was, by name.
        cells: In the order of scenarios, then machines.
        scenarios: The scenarios, by name.
        left_out: What could not be done.
    """

    machines: dict[str, RanOn]
    cells: tuple[Cell, ...]
    scenarios: dict[str, Scenario]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Every two machines in every scenario that arms the race, where both have trials that count."""
        telling = [cell for cell in self.cells if cell.arms and cell.counted]
        return tuple(
            Difference(one.scenario, one, other, difference(one.stalled, one.counted, other.stalled, other.counted))
            for one, other in combinations(telling, 2)
            if one.scenario == other.scenario
        )

    @property
    def as_expected(self) -> bool:
        """Whether every cell shows what its scenario expects."""
        return all(cell.as_expected for cell in self.cells)


def cell(machine: str, ran_on: RanOn, scenario: Scenario, verdicts: Sequence[Verdict]) -> Cell:
    """Sum up the trials of a scenario on a machine."""
    counted = _counted(verdicts)
    times_s = _times_s(counted)
    stalled = _stalled(counted)
    unjudged = Counter(verdict.outcome for verdict in verdicts if verdict.outcome in UNJUDGED)
    return Cell(
        machine=machine,
        scenario=scenario.name,
        arms=scenario.arms,
        trials=len(verdicts),
        armed=_armed(verdicts),
        counted=len(counted),
        stalled=stalled,
        unjudged=dict(unjudged),
        median_s=statistics.median(times_s) if times_s else None,
        max_s=max(times_s, default=None),
        peaks=peaks(times_s, scenario.lookup.client.retry_s),
        interval=share_interval(stalled, len(counted)),
        bare=_part([verdict for verdict in verdicts if not verdict.gathered]),
        traced=_part([verdict for verdict in verdicts if verdict.gathered]),
        verdict=_together(len(verdicts), len(counted), stalled, unjudged),
        expected=scenario.expected.get(ran_on.era) if ran_on.era else None,
        may_stay_unarmed=scenario.may_stay_unarmed,
    )


def _counted(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.outcome in {Outcome.HEALTHY, Outcome.STALLED}]


def _stalled(counted: Sequence[Verdict]) -> int:
    return sum(verdict.outcome is Outcome.STALLED for verdict in counted)


def _times_s(counted: Sequence[Verdict]) -> list[float]:
    return [verdict.lookup_s for verdict in counted if verdict.lookup_s is not None]


def _armed(verdicts: Iterable[Verdict]) -> int:
    return sum(verdict.armed is True for verdict in verdicts if verdict.outcome not in UNJUDGED)


def _part(verdicts: Sequence[Verdict]) -> Part:
    counted = _counted(verdicts)
    times_s = _times_s(counted)
    median_s = statistics.median(times_s) if times_s else None
    return Part(len(verdicts), _armed(verdicts), len(counted), _stalled(counted), median_s)


@dataclass(frozen=True)
class Telling:
    """What a machine's kernel did in the trials that can tell.

    Attributes:
        machine: The machine's name.
        arms: Whether any scenario arms the race; where none does, nothing is said of its kernel.
        armed: In how many trials that count it was armed.
        stalled: How many of those stalled.
        about_s: How long those took, in seconds: the median of the scenarios' medians; None for none.
    """

    machine: str
    arms: bool
    armed: int
    stalled: int
    about_s: float | None


def telling(machine: str, cells: Iterable[Cell]) -> Telling:
    """Sum up what a machine's kernel did in the trials that can tell."""
    own = [cell for cell in cells if cell.machine == machine and cell.arms]
    medians_s = [cell.median_s for cell in own if cell.stalled and cell.median_s is not None]
    return Telling(
        machine,
        arms=bool(own),
        armed=sum(cell.counted for cell in own),
        stalled=sum(cell.stalled for cell in own),
        about_s=statistics.median(medians_s) if medians_s else None,
    )


def sentence(machine: str, cells: Iterable[Cell]) -> str:
    """Say in one plain sentence what a machine's kernel did in the trials that can tell."""
    told = telling(machine, cells)
    if not told.arms:
        return f"{machine}: no scenario here arms the race, so nothing is said of its kernel"
    if told.armed == 0:
        return f"{machine}: no trial was armed, so nothing is known of its kernel"
    trials = "trial" if told.armed == 1 else "trials"
    if told.stalled == 0:
        return f"{machine}: none of {told.armed} armed {trials} stalled"
    about = f" about {told.about_s:.0f} s" if told.stalled == told.armed else ""
    return f"{machine}: {told.stalled} of {told.armed} armed {trials} stalled{about}"


def _together(trials: int, counted: int, stalled: int, unjudged: Mapping[Outcome, int]) -> CellVerdict:
    if sum(unjudged.values()) == trials:
        return CellVerdict(next((outcome for outcome in UNJUDGED if outcome in unjudged), Outcome.FAILED).value)
    if counted == 0:
        return CellVerdict.UNARMED
    if stalled == 0:
        return CellVerdict.HEALTHY
    return CellVerdict.STALLED if stalled == counted else CellVerdict.MIXED
