"""What a trial is found to be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.judgement.lifeline import Lifeline
    from lab.judgement.pairs import Pairs


class Outcome(StrEnum):
    """The outcome of a trial."""

    HEALTHY = "healthy"
    """The lookup finished without a timeout."""
    STALLED = "stalled"
    """The lookup waited for at least one timeout."""
    UNARMED = "unarmed"
    """The race should have been armed and was not: the trial is no evidence about the kernel."""
    FAILED = "failed"
    """The name was not resolved, or the scenario did not happen."""
    INCONCLUSIVE = "inconclusive"
    """Evidence needed for a verdict is missing."""
    NOT_STARTED = "not started"
    """The product that the scenario brings along did not start."""
    CONTRADICTORY = "contradictory"
    """Two sources disagree."""


@dataclass(frozen=True)
class Verdict:
    """A trial's outcome and why.

    Attributes:
        outcome: The outcome.
        armed: Whether two queries of one socket had different conntracks at once; None when it is unknown.
        lookup_s: Duration of the name lookup, in seconds; None when it was not timed.
        gathered: Whether the trial was traced and captured, which slows it down.
        reason: What happened, in a sentence.
        lifelines: The lifeline of each query.
        pairs: The pairs of queries that the lookup made; None when no source shows them.
    """

    outcome: Outcome
    armed: bool | None
    lookup_s: float | None
    gathered: bool
    reason: str
    lifelines: tuple[Lifeline, ...] = ()
    pairs: Pairs | None = None
