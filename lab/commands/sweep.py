"""`lab sweep`: the share of trials armed and stalled, against how long the verdict is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.catalogue import find
from lab.catalogue.scenario import Scenario
from lab.commands.run import run_scenarios
from lab.commands.trials import RunDone, TrialOptions
from lab.comparison import review
from lab.comparison.sweep import SweepPoint, points
from lab.comparison.sweep import scenario as scenario_with_hold
from lab.foundation.home import SCENARIOS
from lab.foundation.result import Result
from lab.runs.run import RanOn
from lab.session.session import Session

BASE = "nfqueue"
"""The scenario whose hold is varied."""


@dataclass(frozen=True)
class Swept:
    """A sweep and what it showed.

    Attributes:
        run: The stored run's name.
        path: Where its raw files are.
        machines: The machines as they were, by name.
        points: The measured shares.
        plot: Where the layer above writes the plot.
    """

    run: str
    path: Path
    machines: dict[str, RanOn]
    points: tuple[SweepPoint, ...]
    plot: Path


def sweep(
    session: Session, machine_names: Sequence[str], holds_s: Sequence[float], how: TrialOptions, plot: Path | None
) -> Result[Swept]:
    """Make trials at each hold, on each machine.

    Args:
        session: The lab in use.
        machine_names: Running machines; all that run for none.
        holds_s: How long verdicts are held, in seconds.
        how: How trials are made.
        plot: Where the plot goes; into the run's directory for None.

    Raises:
        BadInput: there is no such machine.
        BrokenEnvironment: a machine is not running, or went away; finished trials are kept.
        Cancelled: the user interrupted; finished trials are kept.
    """
    (base,) = find.scenarios(SCENARIOS, [BASE])
    scenarios: list[Scenario] = [scenario_with_hold(base, hold_s) for hold_s in holds_s]
    done = run_scenarios(session, machine_names, scenarios, how)
    return Result(_swept(done.data, plot), done.exit_status)


def again(session: Session, run_id: str, plot: Path | None) -> Result[Swept]:
    """Judge a stored sweep again; needs no machine.

    Raises:
        BadInput: there is no such run.
    """
    run = session.store.get(run_id)
    return Result(_swept(RunDone(run, session.store.path(run), review.judge_run(session.store, run)), plot))


def _swept(done: RunDone, plot: Path | None) -> Swept:
    comparison = done.comparison
    return Swept(done.run.id, done.path, comparison.machines, points(comparison), plot or done.path / "sweep.svg")
