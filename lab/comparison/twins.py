"""Chooses the trials that a report shows packet by packet: one scenario, one trial per machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.catalogue.scenario import Scenario
from lab.comparison import exhibit, time_axis
from lab.comparison.cells import Comparison
from lab.comparison.exhibit import Exhibit
from lab.comparison.review import Judged
from lab.comparison.time_axis import Fold
from lab.judgement.outcome import Outcome

FAVOURITE = "nfqueue"
"""The preferred scenario, which shows the stall in its simplest form."""


@dataclass(frozen=True)
class Twins:
    """One scenario, with one trial per machine.

    Attributes:
        scenario: The scenario.
        exhibits: One trial per machine.
        folds: The idle intervals common to all trials.
    """

    scenario: Scenario
    exhibits: tuple[Exhibit, ...]
    folds: tuple[Fold, ...]

    @property
    def gathered(self) -> bool:
        """Whether any of the trials has evidence."""
        return any(shown.judged.verdict.gathered for shown in self.exhibits)


def choose(trials: Sequence[Judged], compared: Comparison) -> Twins | None:
    """Choose the most informative scenario, with the best trial of each machine; None without any trial."""
    named = list(dict.fromkeys(trial.scenario for trial in trials))
    name = max(named, key=lambda name: _rank_scenario(name, trials, compared), default=None)
    if name is None:
        return None
    scenario = compared.scenarios[name]
    own = [trial for trial in trials if trial.scenario == name]
    chosen = [
        min((trial for trial in own if trial.machine == machine), key=_rank_trial)
        for machine in compared.machines
        if any(trial.machine == machine for trial in own)
    ]
    exhibits = tuple(exhibit.build_exhibit(trial, scenario) for trial in chosen)
    return Twins(scenario, exhibits, time_axis.folds(moment for shown in exhibits for moment in shown.moments_s))


def _rank_scenario(name: str, trials: Iterable[Judged], compared: Comparison) -> tuple[bool, ...]:
    own = [trial.verdict for trial in trials if trial.scenario == name]
    stalled = [verdict for verdict in own if verdict.outcome is Outcome.STALLED]
    return (
        any(verdict.gathered for verdict in stalled),
        bool(stalled),
        any(verdict.gathered for verdict in own),
        compared.scenarios[name].arms,
        name == FAVOURITE,
    )


def _rank_trial(trial: Judged) -> tuple[bool, int, float, int]:
    """Return the sort key of a trial: with evidence first, then stalled and armed ones, then the fastest."""
    verdict = trial.verdict
    order = [Outcome.STALLED, Outcome.HEALTHY, Outcome.UNARMED]
    place = order.index(verdict.outcome) if verdict.outcome in order else len(order)
    lookup_s = float("inf") if verdict.lookup_s is None else verdict.lookup_s
    return not verdict.gathered, place, lookup_s, trial.number
