"""`lab matrix`: scenarios on kernels, each cell by itself, here or on a cluster, and none made twice."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from lab import review
from lab.catalogue import find
from lab.catalogue.machine import Definition
from lab.commands import cell
from lab.commands.cell import Task
from lab.commands.run import How
from lab.comparison import Comparison
from lab.errors import BadInput, BrokenEnvironment, Cancelled, LabError
from lab.executors import Place, on_cluster, on_this_machine
from lab.files import whole_directory
from lab.home import SCENARIOS
from lab.result import AS_ASKED, BROKEN, NOT_AS_EXPECTED, Result
from lab.session import Session

GUEST_OVERHEAD_MB = 1024
"""What a cell takes beside its guest's memory: QEMU's own (its translated code above all), and the lab's."""

ATTEMPTS = 3
"""A worker that dies costs its cell, which is made again so many times in all."""

LOOK_S = 0.2
"""Between two looks for a Ctrl-C."""


@dataclass(frozen=True)
class CellMade:
    """What became of a cell.

    Attributes:
        machine: The machine or kernel.
        scenario: The scenario.
        key: Names all that went into it.
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
        path: Where their raw files are; likewise.
        comparison: Its cells, judged; likewise.
        cells: What became of each.
    """

    run: str | None
    path: Path | None
    comparison: Comparison | None
    cells: tuple[CellMade, ...]


@dataclass(frozen=True)
class Workers:
    """Who makes the cells.

    Attributes:
        scheduler: The address of a Dask scheduler; None for this machine.
        jobs: How many at a time on this machine; as many as it has memory and processors for when None.
    """

    scheduler: str | None = None
    jobs: int | None = None

    def place(self, tasks: Sequence[Task]) -> AbstractContextManager[Place]:
        """Give the place where these cells are made."""
        if self.scheduler:
            return on_cluster(self.scheduler)
        return on_this_machine(self.jobs or most_at_once([task.definition for task in tasks]))


def most_at_once(definitions: Sequence[Definition]) -> int:
    """Give how many cells this machine can make at a time: by its processors, and by its memory that is free."""
    each_mb = max(definition.memory_mb for definition in definitions) + GUEST_OVERHEAD_MB
    by_memory = psutil.virtual_memory().available // (each_mb * 1024 * 1024)
    return max(1, min(len(os.sched_getaffinity(0)), int(by_memory)))


def matrix(  # noqa: PLR0913  what is asked for, each by name
    session: Session,
    names: Sequence[str],
    scenario_names: Sequence[str],
    how: How,
    workers: Workers,
    *,
    again: bool = False,
) -> Result[MatrixMade]:
    """Make the cells that were not made before, and put all together.

    Args:
        session: The lab in use.
        names: Machines, and kernels that were added; all of both for none.
        scenario_names: All scenarios for none.
        how: How trials are made.
        workers: Who makes the cells.
        again: Make those anew, too, that were made before.

    Raises:
        BadInput: there is no such machine or scenario.
        BrokenEnvironment: no worker can be had.
        Cancelled: the user interrupted; cells that were made are kept, and the same command goes on from there.
    """
    scenarios = find.scenarios(SCENARIOS, scenario_names)
    definitions = session.find(names, all_kernels=True)
    for definition in definitions:
        if definition.on_image is None:
            raise BadInput(
                f"{definition.name} cannot be brought up by the embedded provider, which cells are made with"
            )
    tasks = [cell.task(one, scenario, how, session.kernels) for one in definitions for scenario in scenarios]
    cache = _Cache(session.home.cells)
    missing = [task for task in tasks if again or not cache.has(task)]
    if len(missing) < len(tasks):
        session.work.note(f"{len(tasks) - len(missing)} of {len(tasks)} cells were made before")
    problems: dict[str, str] = {}
    if missing:
        with workers.place(missing) as place:
            problems = _Making(session, cache, place).make(missing)
    cells = tuple(_made(task, task not in missing, problems) for task in tasks)
    there = [cache.path(task) for task in tasks if task.key not in problems]
    if not there:
        return Result(MatrixMade(None, None, None, cells), BROKEN)
    run = session.store.put_together(there)
    comparison = review.of_run(session.store, run)
    expected = AS_ASKED if comparison.as_expected else NOT_AS_EXPECTED
    return Result(MatrixMade(run.id, session.store.path(run), comparison, cells), BROKEN if problems else expected)


def _made(task: Task, cached: bool, problems: dict[str, str]) -> CellMade:  # noqa: FBT001  what it says
    return CellMade(task.definition.name, task.scenario.name, task.key, cached, problems.get(task.key))


@dataclass(frozen=True)
class _Cache:
    """The cells that were made, a directory each, by what went into them; whole or not there.

    Attributes:
        directory: Where they lie.
    """

    directory: Path

    def path(self, task: Task) -> Path:
        return self.directory / task.key

    def has(self, task: Task) -> bool:
        return self.path(task).exists()

    def put(self, task: Task, archive: bytes) -> None:
        """Take in a cell.

        Raises:
            BrokenEnvironment: what came from the worker is no cell, or cannot be written.
        """
        try:
            with whole_directory(self.path(task)) as unfinished:
                cell.unpack(archive, unfinished)
                shutil.rmtree(self.path(task), ignore_errors=True)
        except (OSError, zipfile.BadZipFile) as error:
            raise BrokenEnvironment(f"{task.name} was not stored: {error}") from error


class _Making:
    """Hands cells out, and takes them in as they come.

    Args:
        session: The lab in use.
        cache: Where they go.
        place: Where they are made.
    """

    def __init__(self, session: Session, cache: _Cache, place: Place) -> None:
        self._session = session
        self._cache = cache
        self._place = place
        self._kernels: dict[str, Any] = {}
        self._attempts: Counter[str] = Counter()
        self._pending: dict[Future[bytes], Task] = {}

    def make(self, tasks: Sequence[Task]) -> dict[str, str]:
        """Make these cells, and give what was in the way of those that were not made, by their keys.

        Raises:
            Cancelled: the user interrupted.
        """
        problems: dict[str, str] = {}
        try:
            for task in tasks:
                self._hand_out(task)
            while self._pending:
                ended, _ = wait(self._pending, timeout=LOOK_S, return_when=FIRST_COMPLETED)
                for future in ended:
                    task = self._pending.pop(future)
                    told = self._take(future, task)
                    if told:
                        problems[task.key] = told
                    left = len(self._pending)
                    self._session.work.note(f"{task.name}: {told or 'made'}; {left} of {len(tasks)} cells to go")
        except KeyboardInterrupt:
            kept = sum(self._cache.has(task) for task in tasks)
            raise Cancelled(
                f"stopped as you asked; {kept} of {len(tasks)} cells were made and are kept",
                hint="the same command goes on from there",
            ) from None
        return problems

    def _hand_out(self, task: Task) -> None:
        self._attempts[task.key] += 1
        self._pending[self._place.executor.submit(cell.make, task, self._kernel(task))] = task

    def _kernel(self, task: Task) -> Any:  # noqa: ANN401  a path, or what the place makes of an archive
        """Give a cell's kernel: where it is, or an archive of it where that cannot be seen; once for all its cells."""
        if not task.sources:
            return None
        name = task.definition.name
        if name not in self._kernels:
            path = self._session.kernels.path(name)
            self._kernels[name] = self._place.share(cell.packed(path)) if self._place.is_elsewhere else path
        return self._kernels[name]

    def _take(self, future: Future[bytes], task: Task) -> str | None:
        """Store a cell that was made, or hand it out once more; give why neither could be done."""
        try:
            self._cache.put(task, future.result())
        except self._place.lost as error:
            if self._attempts[task.key] == ATTEMPTS:
                return f"not made: its worker died {ATTEMPTS} times: {error}"
            self._hand_out(task)
            return None
        except LabError as error:
            return f"not made: {error.message}; {error.hint}" if error.hint else f"not made: {error.message}"
        except Exception as error:  # noqa: BLE001  whatever goes wrong with a worker costs its cell and no other
            return f"not made: {error!r}"
        return None
