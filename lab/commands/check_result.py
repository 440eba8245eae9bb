"""What `lab check` found, or would do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.foundation.result import AS_ASKED, BROKEN, NOT_AS_EXPECTED
from lab.judgement.era import Classification
from lab.judgement.outcome import Outcome, Verdict
from lab.remote_check.look import Look
from lab.remote_check.plan import CheckPlan
from lab.runs.run import Run

_JUDGED = frozenset({Outcome.HEALTHY, Outcome.STALLED})


@dataclass(frozen=True)
class Planned:
    """What would be done.

    Attributes:
        machine: Where.
        look: What it has.
        plan: What would be done there.
        trials: How many trials of each kind would be made; of a plain clash AGAIN more.
    """

    machine: str
    look: Look
    plan: CheckPlan
    trials: int


@dataclass(frozen=True)
class Clashed:
    """The trials of one kind of clash.

    Attributes:
        verdicts: The verdict of each trial.
    """

    verdicts: tuple[Verdict, ...]

    @property
    def trials(self) -> int:
        """How many were made."""
        return len(self.verdicts)

    @property
    def armed(self) -> int:
        """In how many of them that could be judged the race was armed."""
        return sum(verdict.armed is True and verdict.outcome in _JUDGED for verdict in self.verdicts)

    @property
    def stalled(self) -> int:
        """How many of those stalled."""
        return sum(verdict.armed is True and verdict.outcome is Outcome.STALLED for verdict in self.verdicts)


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    Attributes:
        machine: Where.
        look: What it has.
        plan: What was done there.
        run: The stored run.
        path: Where its raw files are.
        found: What its kernel does with a plain clash.
        verdicts: The verdict of each trial of that.
        behind_dnat: What it does with one behind DNAT to two servers; None when that was not tried.
        why_not: Why not; empty when it was.
        named: Whether the sentence for a ticket names the machine.
        left: Modules that were loaded for the check and are still there.
    """

    machine: str
    look: Look
    plan: CheckPlan
    run: Run
    path: Path
    found: Classification
    verdicts: tuple[Verdict, ...]
    behind_dnat: Clashed | None
    why_not: str
    named: bool
    left: tuple[str, ...]

    @property
    def exit_status(self) -> int:
        """1 when armed trials stalled, 3 when the trials do not show the era, else 0."""
        if self.found.stalled or (self.behind_dnat and self.behind_dnat.stalled):
            return NOT_AS_EXPECTED
        return BROKEN if self.found.era is None else AS_ASKED
