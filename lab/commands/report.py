"""`lab report`: the content of one page about stored runs; needs no machine."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lab import __version__
from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.scenario import Expected, Scenario
from lab.commands.report_gaps import Lack, gaps
from lab.commands.watch_saved import SavedStall, read_saved
from lab.commands.workarounds import WorkaroundsTried, again, base_of
from lab.comparison import review, sweep, twins
from lab.comparison.cells import Cell, Comparison
from lab.comparison.kernel_summary import KernelSummary, summarize_kernel
from lab.comparison.review import Judged, Reviewed
from lab.comparison.sweep import SweepPoint
from lab.comparison.twins import Twins
from lab.foundation.errors import BadInput
from lab.foundation.home import SCENARIOS
from lab.foundation.result import AS_ASKED, Result
from lab.runs.run import Run
from lab.session.session import Session

NOTHING = Reviewed(Comparison({}, (), {}), ())
"""Of a lab without runs, whose page has the stalls of running machines alone."""

FEW = 2
"""The least number of holds that make a curve."""


@dataclass(frozen=True)
class Workaround:
    """A scenario that queues DNS packets and is healthy all the same.

    Attributes:
        scenario: The scenario.
        cells: How it went on each machine where it was tried.
    """

    scenario: Scenario
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ReportData:
    """The content of a page.

    Attributes:
        html: Where the layer above writes the page.
        pdf: Where it writes the PDF; None for no PDF.
        version: The lab's version.
        runs: The runs, newest first.
        comparison: Machines side by side.
        answers: The behaviour of each machine's kernel.
        trials: Every trial.
        twins: The trials that are followed packet by packet; None without any trial.
        dial: How often the race is armed, against how long the verdict is held; empty without a sweep.
        workarounds: All workarounds, tried or not.
        changes: What each workaround did to a scenario, in runs of `lab workarounds`.
        lacks: The missing parts.
        stalls: Stalls of running machines that `lab watch` has stored.
    """

    html: Path
    pdf: Path | None
    version: str
    runs: tuple[Run, ...]
    comparison: Comparison
    answers: tuple[KernelSummary, ...]
    trials: tuple[Judged, ...]
    twins: Twins | None
    dial: tuple[SweepPoint, ...]
    workarounds: tuple[Workaround, ...]
    changes: tuple[WorkaroundsTried, ...]
    lacks: tuple[Lack, ...]
    stalls: tuple[SavedStall, ...]


def report(
    session: Session, run_ids: Sequence[str], html: Path, *, pdf: bool, watches: Sequence[Path] = ()
) -> Result[ReportData]:
    """Return the content of a page about runs.

    Args:
        session: The lab in use.
        run_ids: The runs; the newest for none. Of several, the newest trials of each cell count.
        html: Where the page goes.
        pdf: Whether to write a PDF, too.
        watches: Directories in which `lab watch` has stored stalls.

    Raises:
        BadInput: a directory has no stall, there is no such run, or none has any trial, or the page's path is that of
            its PDF.
    """
    if html.suffix == ".pdf":
        raise BadInput(f"{html} would be a page in HTML", hint=f"try: -o {html.with_suffix('.html')} --pdf")
    store = session.store
    with session.work.step("judging the stored stalls") if watches else nullcontext():
        stalls = tuple(stall for directory in watches for stall in read_saved(directory))
    runs = sorted(
        {run.id: run for run in _runs(session, run_ids, needed=not stalls)}.values(),
        key=lambda run: run.id,
        reverse=True,
    )
    with session.work.step("judging the stored trials"):
        sweeps = [run for run in runs if is_sweep(run)]
        others = [run for run in runs if run not in sweeps]
        reviewed = review.judge_runs(store, others or runs) if runs else NOTHING
        swept = review.judge_runs(store, sweeps).comparison if sweeps else reviewed.comparison
    with session.work.step("following the packets"):
        shown = twins.choose(reviewed.trials, reviewed.comparison)
    workarounds = _workarounds(reviewed.comparison)
    untried = [workaround.scenario.name for workaround in workarounds if not workaround.cells]
    curve = _curve(swept)
    data = ReportData(
        html=html,
        pdf=html.with_suffix(".pdf") if pdf else None,
        version=__version__,
        runs=tuple(runs),
        comparison=reviewed.comparison,
        answers=tuple(summarize_kernel(name, reviewed.comparison.cells) for name in reviewed.comparison.machines),
        trials=reviewed.trials,
        twins=shown,
        dial=curve,
        workarounds=workarounds,
        changes=tuple(again(session, run.id).data for run in runs if base_of(run)),
        stalls=stalls,
        lacks=tuple(gaps(reviewed.comparison, shown, curve, untried)) if runs else (),
    )
    return Result(data, AS_ASKED)


def is_sweep(run: Run) -> bool:
    """Return whether a run was made by `lab sweep`."""
    return all(sweep.is_setting(scenario) and scenario.may_stay_unarmed for scenario in run.scenarios.values())


def _runs(session: Session, run_ids: Sequence[str], *, needed: bool) -> list[Run]:
    """Return the runs; the newest one for none, if there is one or one is needed."""
    store = session.store
    if not run_ids and not needed:
        return list(islice(store.newest_first(), 1))
    return [store.get(run_id) for run_id in run_ids] or [store.newest()]


def _curve(swept: Comparison) -> tuple[SweepPoint, ...]:
    settings = [cell for cell in swept.cells if sweep.is_setting(swept.scenarios[cell.scenario])]
    if len({cell.scenario for cell in settings}) < FEW:
        return ()
    return sweep.points(Comparison(swept.machines, tuple(settings), swept.scenarios))


def _workarounds(compared: Comparison) -> tuple[Workaround, ...]:
    known = {scenario.name: scenario for scenario in find.scenarios(SCENARIOS, [])} | compared.scenarios
    return tuple(
        Workaround(scenario, tuple(cell for cell in compared.cells if cell.scenario == name))
        for name, scenario in known.items()
        if is_workaround(scenario)
    )


def is_workaround(scenario: Scenario) -> bool:
    """Return whether a scenario queues DNS packets, and is expected to be healthy in era `drop`."""
    return scenario.queue is not None and not scenario.arms and scenario.expected.get(Era.DROP) is Expected.HEALTHY
