"""The schemas of comparisons, and of results with one."""

from __future__ import annotations

from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.catalogue.queue import QueuedBy
from lab.catalogue.scenario import Expected
from lab.comparison.cells import CellVerdict
from lab.present.schema.members import Count, Document, Interval, Members


class RanOn(Members):
    """A machine as it was when a run was made."""

    kernel: str
    system: System
    distribution: str
    era: Era | None
    replica: bool
    added: bool
    title: str
    verified: bool | None
    queued_by: QueuedBy


class Part(Members):
    """Some trials of a cell: those without evidence, or those with it."""

    trials: Count
    armed: Count
    counted: Count
    stalled: Count
    median_s: float | None


class Peak(Members):
    """How many lookups waited for timeouts with this sum, in seconds."""

    near_s: float
    trials: Count


class Unjudged(Members):
    """How many trials could not be judged."""

    not_started: Count
    failed: Count
    contradictory: Count
    inconclusive: Count


class PairCounts(Members):
    """The pairs of queries that lookups made, where a name is tried under search domains."""

    lookups: Count
    armed_lookups: Count
    made: Count
    armed: Count
    stalled: Count


class Cell(Members):
    """A scenario on a machine."""

    machine: str
    scenario: str
    arms: bool
    trials: Count
    armed: Count
    counted: Count
    stalled: Count
    unjudged: Unjudged
    median_s: float | None
    max_s: float | None
    timeout_s: float
    peaks: list[Peak]
    interval: Interval | None
    bare: Part
    traced: Part
    verdict: CellVerdict
    expected: Expected | None
    may_stay_unarmed: bool
    pairs: PairCounts | None
    tracing_s: float | None
    as_expected: bool


class Difference(Members):
    """Two machines that differ in a scenario."""

    scenario: str
    machines: list[str]
    p: float


class LeftOut(Members):
    """A scenario that a machine does not support."""

    machine: str
    scenario: str
    reason: str


class Compared(Members):
    """Machines side by side."""

    machines: dict[str, RanOn]
    cells: list[Cell]
    differences: list[Difference]
    left_out: list[LeftOut]


class Compare(Document, Compared):
    """Machines side by side."""


class Run(Document, Compared):
    """A run and its comparison."""

    run: str
    path: str


class Made(Members):
    """The result of a cell of a matrix."""

    machine: str
    scenario: str
    key: str
    cached: bool
    problem: str | None


class NotRun(Members):
    """A kernel that could not be obtained."""

    name: str
    reason: str


class Matrix(Document, Compared):
    """A matrix with at least one cell that was made."""

    run: str
    path: str
    made: list[Made]
    not_run: list[NotRun]


class EmptyMatrix(Document):
    """A matrix without any cell that was made."""

    run: None
    path: None
    made: list[Made]
    not_run: list[NotRun]


class Share(Members):
    """A share of trials."""

    count: Count
    of: Count
    share: float | None
    interval: Interval | None


class SweepPoint(Members):
    """A machine at one hold."""

    machine: str
    hold_s: float
    armed: Share
    stalled: Share


class Sweep(Document):
    """The shares of armed and of stalled trials, by hold."""

    run: str
    path: str
    plot: str
    machines: dict[str, RanOn]
    points: list[SweepPoint]
