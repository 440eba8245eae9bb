"""Compares trials across machines: one cell per scenario and machine."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from lab.catalogue.scenario import Expected, Scenario
from lab.comparison.statistics import difference, peaks, share_interval
from lab.judgement.outcome import Outcome, Verdict
from lab.judgement.pairs import Pairs
from lab.runs.run import RanOn

UNJUDGED = (Outcome.NOT_STARTED, Outcome.FAILED, Outcome.CONTRADICTORY, Outcome.INCONCLUSIVE)
"""Outcomes that are no evidence about a kernel, the worst first."""


class CellVerdict(StrEnum):
    """The combined outcome of a cell's counted trials."""

    HEALTHY = "healthy"
    STALLED = "stalled"
    MIXED = "mixed"
    """Some stalled, some did not."""
    UNARMED = "unarmed"
    """No trial was armed: the kernel's behaviour is unknown."""
    NOT_STARTED = "not started"
    """The product did not start in any trial."""
    FAILED = "failed"
    """No trial could be judged; the same holds for the next two values."""
    CONTRADICTORY = "contradictory"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class TrialSubset:
    """A part of a cell's trials: those without evidence, or those with evidence.

    Attributes:
        trials: Number of trials.
        armed: Number of armed trials.
        counted: Number of counted trials, that is, of those that are evidence about the kernel.
        stalled: Number of counted trials that stalled.
        median_s: Median lookup time of the counted trials, in seconds; None without any.
    """

    trials: int
    armed: int
    counted: int
    stalled: int
    median_s: float | None


@dataclass(frozen=True)
class PairCounts:
    """The pairs of queries that a cell's lookups made, counted in the packets that were queued.

    Attributes:
        lookups: Number of lookups.
        armed_lookups: Number of lookups with at least one armed pair.
        made: Number of pairs.
        armed: Number of armed pairs.
        stalled: Number of pairs of which a query was sent again after a timeout.
    """

    lookups: int
    armed_lookups: int
    made: int
    armed: int
    stalled: int


@dataclass(frozen=True)
class Cell:
    """A scenario on a machine.

    Attributes:
        machine: The machine's name.
        scenario: The scenario's name.
        arms: Whether the scenario is meant to arm the race.
        trials: Number of trials.
        armed: Number of armed trials.
        counted: Number of counted trials: if the scenario arms the race, the armed ones.
        stalled: Number of counted trials that stalled.
        unjudged: Number of trials that could not be judged, by outcome.
        median_s: Median lookup time of the counted trials, in seconds; None without any.
        max_s: Longest lookup time of the counted trials, in seconds; None without any.
        timeout_s: The client's retransmit timeout, in seconds.
        peaks: Number of counted trials by the timeouts waited for, in seconds: 0 or a multiple of `timeout_s`.
        interval: The 95 % Wilson interval of the stalled share; None without counted trials.
        bare: The trials without evidence.
        traced: The trials with evidence.
        verdict: The combined outcome.
        expected: The expected outcome; None when the scenario has none for this kernel.
        may_stay_unarmed: Whether no armed trial at all is acceptable.
        pairs: The pairs of queries; None if no lookup made more than one, as without search domains.
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
    timeout_s: float
    peaks: Mapping[float, int]
    interval: tuple[float, float] | None
    bare: TrialSubset
    traced: TrialSubset
    verdict: CellVerdict
    expected: Expected | None
    may_stay_unarmed: bool
    pairs: PairCounts | None = None

    @property
    def own_median_s(self) -> float | None:
        """The median lookup time without the cost of tracing: of the trials without evidence, if there are any."""
        return self.median_s if self.bare.median_s is None else self.bare.median_s

    @property
    def tracing_s(self) -> float | None:
        """The cost of tracing: the median with evidence minus the median without, in seconds.

        None if either is missing, or only one of them has stalls, which are not a cost of tracing.
        """
        bare, traced = self.bare, self.traced
        if bare.median_s is None or traced.median_s is None or bool(bare.stalled) != bool(traced.stalled):
            return None
        return traced.median_s - bare.median_s

    @property
    def as_expected(self) -> bool:
        """Whether the cell shows what its scenario expects, in every trial."""
        return self.fits and all(outcome.value == self.expected for outcome in self.unjudged)

    @property
    def fits(self) -> bool:
        """Whether the judged trials show what the scenario expects."""
        if self.verdict is CellVerdict.UNARMED and self.may_stay_unarmed:
            return True
        return self.expected is None or self.verdict.value == self.expected.value


@dataclass(frozen=True)
class Difference:
    """The difference between two machines in one scenario that arms the race.

    Attributes:
        scenario: The scenario.
        one: The first machine's cell.
        other: The second machine's cell.
        p: The p-value of Fisher's exact test: the probability of counts at least this different if both kernels
            behaved the same.
    """

    scenario: str
    one: Cell
    other: Cell
    p: float


@dataclass(frozen=True)
class LeftOut:
    """A scenario that a machine cannot run.

    Attributes:
        machine: The machine's name.
        scenario: The scenario's name.
        reason: What the machine lacks.
    """

    machine: str
    scenario: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """A comparison of machines.

    Attributes:
        machines: The machines as they were, by name.
        cells: The cells, ordered by scenario, then machine.
        scenarios: The scenarios, by name.
        left_out: Scenarios that could not be run.
    """

    machines: dict[str, RanOn]
    cells: tuple[Cell, ...]
    scenarios: dict[str, Scenario]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Every pair of machines in every scenario that arms the race, if both have counted trials."""
        cells = [cell for cell in self.cells if cell.arms and cell.counted]
        return tuple(
            Difference(one.scenario, one, other, difference(one.stalled, one.counted, other.stalled, other.counted))
            for one, other in combinations(cells, 2)
            if one.scenario == other.scenario
        )

    @property
    def as_expected(self) -> bool:
        """Whether every cell shows what its scenario expects."""
        return all(cell.as_expected for cell in self.cells)


def cell(machine: str, ran_on: RanOn, scenario: Scenario, verdicts: Sequence[Verdict]) -> Cell:
    """Summarize the trials of a scenario on a machine."""
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
        timeout_s=scenario.retry_s,
        peaks=peaks(_waits_s(counted), scenario.retry_s),
        interval=share_interval(stalled, len(counted)),
        bare=_part([verdict for verdict in verdicts if not verdict.gathered]),
        traced=_part([verdict for verdict in verdicts if verdict.gathered]),
        verdict=_combine(len(verdicts), len(counted), stalled, unjudged),
        expected=scenario.expects(ran_on.era, ran_on.kernel, replica=ran_on.replica),
        may_stay_unarmed=scenario.may_stay_unarmed,
        pairs=_pairs([verdict.pairs for verdict in verdicts if verdict.pairs and verdict.outcome not in UNJUDGED]),
    )


def _pairs(lookups: Sequence[Pairs]) -> PairCounts | None:
    if all(pairs.made <= 1 for pairs in lookups):
        return None
    return PairCounts(
        lookups=len(lookups),
        armed_lookups=sum(pairs.armed > 0 for pairs in lookups),
        made=sum(pairs.made for pairs in lookups),
        armed=sum(pairs.armed for pairs in lookups),
        stalled=sum(pairs.stalled for pairs in lookups),
    )


def _counted(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.outcome in {Outcome.HEALTHY, Outcome.STALLED}]


def _stalled(counted: Sequence[Verdict]) -> int:
    return sum(verdict.outcome is Outcome.STALLED for verdict in counted)


def _times_s(counted: Sequence[Verdict]) -> list[float]:
    return [verdict.lookup_s for verdict in counted if verdict.lookup_s is not None]


def _waits_s(counted: Sequence[Verdict]) -> list[float]:
    """Return the times of the lookups that stalled, and 0 s for the healthy ones, however slow their host was."""
    known = [verdict for verdict in counted if verdict.lookup_s is not None]
    return [(verdict.lookup_s or 0.0) if verdict.outcome is Outcome.STALLED else 0.0 for verdict in known]


def _armed(verdicts: Iterable[Verdict]) -> int:
    return sum(verdict.armed is True for verdict in verdicts if verdict.outcome not in UNJUDGED)


def _part(verdicts: Sequence[Verdict]) -> TrialSubset:
    counted = _counted(verdicts)
    times_s = _times_s(counted)
    median_s = statistics.median(times_s) if times_s else None
    return TrialSubset(len(verdicts), _armed(verdicts), len(counted), _stalled(counted), median_s)


def _combine(trials: int, counted: int, stalled: int, unjudged: Mapping[Outcome, int]) -> CellVerdict:
    if sum(unjudged.values()) == trials:
        return CellVerdict(next((outcome for outcome in UNJUDGED if outcome in unjudged), Outcome.FAILED).value)
    if counted == 0:
        return CellVerdict.UNARMED
    if stalled == 0:
        return CellVerdict.HEALTHY
    return CellVerdict.STALLED if stalled == counted else CellVerdict.MIXED
