"""`lab report`: everything that stored runs show, put together for one page; needs no machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lab import __version__, comparison, dial, review
from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.scenario import Expected, Scenario
from lab.commands import exhibit, folding
from lab.commands.exhibit import Exhibit
from lab.commands.folding import Fold
from lab.comparison import Cell, Comparison, Telling
from lab.dial import Point
from lab.errors import BadInput
from lab.home import SCENARIOS
from lab.result import AS_ASKED, Result
from lab.review import Judged
from lab.session import Session
from lab.store import Run
from lab.verdict import Outcome

FAVOURITE = "nfqueue"
"""The scenario that shows the stall in its plainest form."""

FEW = 2
"""A curve has at least so many settings of the dial."""


class Lacking(StrEnum):
    """What a report can do without, and is better with."""

    EVIDENCE = "evidence"
    """No trial was made with evidence, so that no packet can be followed."""
    RACE = "race"
    """No scenario arms the race, so that nothing is said of any kernel."""
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
    """Something that is missing.

    Attributes:
        what: What.
        command: What gets it.
    """

    what: Lacking
    command: str


@dataclass(frozen=True)
class Twins:
    """One scenario on each machine, a trial each.

    Attributes:
        scenario: The scenario.
        exhibits: A trial of each machine.
        folds: When nothing is seen in any of them.
    """

    scenario: Scenario
    exhibits: tuple[Exhibit, ...]
    folds: tuple[Fold, ...]

    @property
    def gathered(self) -> bool:
        """Whether any of them was made with evidence."""
        return any(shown.judged.verdict.gathered for shown in self.exhibits)


@dataclass(frozen=True)
class Workaround:
    """A scenario that queues DNS packets and is healthy even so.

    Attributes:
        scenario: The scenario.
        cells: How it went on each machine where it was tried.
    """

    scenario: Scenario
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ReportData:
    """What a page shows.

    Attributes:
        html: Where the page goes; the layer above writes it.
        pdf: Where it goes as PDF; None when that is not wanted.
        version: The lab's version.
        runs: What it is made of, the newest first.
        comparison: Machines side by side.
        answers: What each machine's kernel did.
        trials: Every trial.
        twins: The trials that are followed packet by packet; None where there is nothing to follow.
        dial: How often the race is armed, against how long the verdict is held; empty without a sweep.
        workarounds: Those that there are, tried or not.
        lacks: What is missing.
    """

    html: Path
    pdf: Path | None
    version: str
    runs: tuple[Run, ...]
    comparison: Comparison
    answers: tuple[Telling, ...]
    trials: tuple[Judged, ...]
    twins: Twins | None
    dial: tuple[Point, ...]
    workarounds: tuple[Workaround, ...]
    lacks: tuple[Lack, ...]


def report(session: Session, run_ids: Sequence[str], html: Path, *, pdf: bool) -> Result[ReportData]:
    """Put together what runs show.

    Args:
        session: The lab in use.
        run_ids: The runs; the newest for none. Of what several have the newest counts, as in a comparison.
        html: Where the page goes.
        pdf: Whether it is wanted as PDF, too.

    Raises:
        BadInput: there is no such run, or none has any trial, or the page would be where its PDF is to be.
    """
    if html.suffix == ".pdf":
        raise BadInput(f"{html} would be a page in HTML", hint=f"try: -o {html.with_suffix('.html')} --pdf")
    store = session.store
    runs = sorted({run.id: run for run in _runs(session, run_ids)}.values(), key=lambda run: run.id, reverse=True)
    with session.work.step("judging the stored trials"):
        sweeps = [run for run in runs if is_sweep(run)]
        others = [run for run in runs if run not in sweeps]
        reviewed = review.of_runs(store, others or runs)
        swept = review.of_runs(store, sweeps).comparison if sweeps else reviewed.comparison
    with session.work.step("following the packets"):
        twins = _twins(reviewed.trials, reviewed.comparison)
    workarounds = _workarounds(reviewed.comparison)
    curve = _curve(swept)
    data = ReportData(
        html=html,
        pdf=html.with_suffix(".pdf") if pdf else None,
        version=__version__,
        runs=tuple(runs),
        comparison=reviewed.comparison,
        answers=tuple(comparison.telling(name, reviewed.comparison.cells) for name in reviewed.comparison.machines),
        trials=reviewed.trials,
        twins=twins,
        dial=curve,
        workarounds=workarounds,
        lacks=tuple(_lacks(reviewed.comparison, twins, curve, workarounds)),
    )
    return Result(data, AS_ASKED)


def is_sweep(run: Run) -> bool:
    """Tell whether a run is one of `lab sweep`."""
    return all(dial.is_setting(scenario) and scenario.may_stay_unarmed for scenario in run.scenarios.values())


def _runs(session: Session, run_ids: Sequence[str]) -> list[Run]:
    store = session.store
    return [store.get(run_id) for run_id in run_ids] or [store.newest()]


def _twins(trials: Sequence[Judged], compared: Comparison) -> Twins | None:
    """Choose the scenario that shows most, and of each machine the trial that was disturbed least."""
    named = list(dict.fromkeys(trial.scenario for trial in trials))
    name = max(named, key=lambda name: _shows(name, trials, compared), default=None)
    if name is None:
        return None
    scenario = compared.scenarios[name]
    own = [trial for trial in trials if trial.scenario == name]
    chosen = [
        min((trial for trial in own if trial.machine == machine), key=_disturbed)
        for machine in compared.machines
        if any(trial.machine == machine for trial in own)
    ]
    exhibits = tuple(exhibit.of_trial(trial, scenario) for trial in chosen)
    return Twins(scenario, exhibits, folding.folds(moment for shown in exhibits for moment in shown.moments_s))


def _shows(name: str, trials: Iterable[Judged], compared: Comparison) -> tuple[bool, ...]:
    own = [trial.verdict for trial in trials if trial.scenario == name]
    stalled = [verdict for verdict in own if verdict.outcome is Outcome.STALLED]
    return (
        any(verdict.gathered for verdict in stalled),
        bool(stalled),
        any(verdict.gathered for verdict in own),
        compared.scenarios[name].arms,
        name == FAVOURITE,
    )


def _disturbed(trial: Judged) -> tuple[bool, int, float, int]:
    """Order trials: with evidence first, then stalled and armed ones, then the quickest."""
    verdict = trial.verdict
    order = [Outcome.STALLED, Outcome.HEALTHY, Outcome.UNARMED]
    place = order.index(verdict.outcome) if verdict.outcome in order else len(order)
    lookup_s = float("inf") if verdict.lookup_s is None else verdict.lookup_s
    return not verdict.gathered, place, lookup_s, trial.number


def _curve(swept: Comparison) -> tuple[Point, ...]:
    settings = [cell for cell in swept.cells if dial.is_setting(swept.scenarios[cell.scenario])]
    if len({cell.scenario for cell in settings}) < FEW:
        return ()
    return dial.points(Comparison(swept.machines, tuple(settings), swept.scenarios))


def _workarounds(compared: Comparison) -> tuple[Workaround, ...]:
    known = {scenario.name: scenario for scenario in find.scenarios(SCENARIOS, [])} | compared.scenarios
    return tuple(
        Workaround(scenario, tuple(cell for cell in compared.cells if cell.scenario == name))
        for name, scenario in known.items()
        if is_workaround(scenario)
    )


def is_workaround(scenario: Scenario) -> bool:
    """Tell whether a scenario queues DNS packets, and is to be healthy even where a clash loses one."""
    return scenario.queue is not None and not scenario.arms and scenario.expected.get(Era.DROP) is Expected.HEALTHY


def _lacks(
    compared: Comparison, twins: Twins | None, curve: Sequence[Point], workarounds: Iterable[Workaround]
) -> Iterable[Lack]:
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
    untried = [f"-s {workaround.scenario.name}" for workaround in workarounds if not workaround.cells]
    if untried:
        yield Lack(Lacking.WORKAROUNDS, f"lab run {machines} {' '.join(untried)}")
    if not curve:
        yield Lack(Lacking.CURVE, f"lab sweep {machines}")


def _each(*names: str) -> str:
    return " ".join(dict.fromkeys(names))
