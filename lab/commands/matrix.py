"""`lab matrix`: scenarios on kernels, each cell by itself, here or on a cluster, and none made twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.catalogue import find
from lab.commands import cell, wanted_kernels
from lab.commands.cell import Task
from lab.commands.cell_making import CellCache, Making
from lab.commands.matrix_workers import Workers
from lab.commands.trials import TrialOptions
from lab.commands.wanted_kernels import NotRun
from lab.comparison import review
from lab.comparison.cells import Comparison
from lab.foundation.errors import BadInput
from lab.foundation.home import SCENARIOS
from lab.foundation.result import AS_ASKED, BROKEN, NOT_AS_EXPECTED, Result
from lab.session.session import Session


@dataclass(frozen=True)
class CellMade:
    """What became of a cell.

    Attributes:
        machine: The machine or kernel.
        scenario: The scenario.
        key: Its cache key: a digest of everything that went into it.
        cached: Whether it had been made before.
        problem: Why it was not made; None when it was.
    """

    machine: str
    scenario: str
    key: str
    cached: bool
    problem: str | None = None


@dataclass(frozen=True)
class MatrixMade:
    """A matrix.

    Attributes:
        run: The run that has its trials; None when no cell was made.
        path: Where their raw files are; None when no cell was made.
        comparison: Its cells, judged; None when no cell was made.
        cells: What became of each.
        not_run: The kernels that were asked for and could not be obtained.
    """

    run: str | None
    path: Path | None
    comparison: Comparison | None
    cells: tuple[CellMade, ...]
    not_run: tuple[NotRun, ...] = ()


def matrix(  # noqa: PLR0913  what is asked for, each by name
    session: Session,
    names: Sequence[str],
    scenario_names: Sequence[str],
    how: TrialOptions,
    workers: Workers,
    *,
    patterns: Sequence[str] = (),
    again: bool = False,
) -> Result[MatrixMade]:
    """Make the cells that were not made before, and combine all in one run.

    Args:
        session: The lab in use.
        names: Machines, and kernels that were added; all of both for none, unless there are patterns.
        scenario_names: All scenarios for none.
        how: How trials are made.
        workers: Who makes the cells.
        patterns: Patterns of known kernels, which are obtained and added where missing, and of added ones.
        again: Make all anew, including those that were made before.

    Raises:
        BadInput: there is no such machine or scenario.
        BrokenEnvironment: no worker is available.
        Cancelled: the user interrupted; finished cells are kept, and the same command makes the others.
    """
    scenarios = find.scenarios(SCENARIOS, scenario_names)
    wanted = wanted_kernels.ensure(session, patterns)
    all_names = list(dict.fromkeys([*names, *wanted.names]))
    definitions = session.find(all_names, all_kernels=True) if all_names or not patterns else []
    for definition in definitions:
        if definition.on_image is None:
            raise BadInput(
                f"{definition.name} cannot be brought up by the embedded provider, which cells are made with"
            )
    tasks = [cell.task(one, scenario, how, session.kernels) for one in definitions for scenario in scenarios]
    cache = CellCache(session.home.cells)
    missing = [task for task in tasks if again or not cache.has(task)]
    if len(missing) < len(tasks):
        session.work.note(f"{len(tasks) - len(missing)} of {len(tasks)} cells were made before")
    problems: dict[str, str] = {}
    if missing:
        with workers.place(missing) as place:
            problems = Making(session, cache, place).make(missing)
    cells = tuple(_made(task, task not in missing, problems) for task in tasks)
    there = [cache.path(task) for task in tasks if task.key not in problems]
    if not there:
        return Result(MatrixMade(None, None, None, cells, wanted.not_run), BROKEN)
    run = session.store.merge(there)
    comparison = review.judge_run(session.store, run)
    expected = AS_ASKED if comparison.as_expected else NOT_AS_EXPECTED
    made = MatrixMade(run.id, session.store.path(run), comparison, cells, wanted.not_run)
    return Result(made, BROKEN if problems or wanted.not_run else expected)


def _made(task: Task, cached: bool, problems: dict[str, str]) -> CellMade:  # noqa: FBT001  what it says
    return CellMade(task.definition.name, task.scenario.name, task.key, cached, problems.get(task.key))
