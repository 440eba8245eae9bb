"""Makes the cells of a matrix on workers, and stores each as soon as it is made."""

from __future__ import annotations

import shutil
import zipfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.commands import cell
from lab.commands.cell import Task
from lab.foundation.errors import BrokenEnvironment, Cancelled, LabError
from lab.foundation.executors import WorkPool
from lab.foundation.files import whole_directory
from lab.foundation.language import N_
from lab.foundation.work import UnitsDone
from lab.session.session import Session

ATTEMPTS = 3
"""A cell whose worker dies is made again, up to so many attempts in all."""

LOOK_S = 0.2
"""Between two checks for a Ctrl-C."""


@dataclass(frozen=True)
class CellCache:
    """The cells that were made, a directory each, by their keys; complete or absent.

    Attributes:
        directory: Where they are.
    """

    directory: Path

    def path(self, task: Task) -> Path:
        """Return a cell's directory."""
        return self.directory / task.key

    def has(self, task: Task) -> bool:
        """Return whether a cell was made before."""
        return self.path(task).exists()

    def put(self, task: Task, archive: bytes) -> None:
        """Store a cell.

        Raises:
            BrokenEnvironment: the archive from the worker is no cell, or cannot be written.
        """
        try:
            with whole_directory(self.path(task)) as unfinished:
                cell.unpack(archive, unfinished)
                shutil.rmtree(self.path(task), ignore_errors=True)
        except (OSError, zipfile.BadZipFile) as error:
            raise BrokenEnvironment(f"{task.name} was not stored: {error}") from error


class Making:
    """Hands cells out to workers, and stores the results as they come.

    Args:
        session: The lab in use.
        cache: Where they go.
        place: Where they are made.
    """

    def __init__(self, session: Session, cache: CellCache, place: WorkPool) -> None:
        self._session = session
        self._cache = cache
        self._place = place
        self._kernels: dict[str, Any] = {}
        self._attempts: Counter[str] = Counter()
        self._pending: dict[Future[bytes], Task] = {}

    def make(self, tasks: Sequence[Task]) -> dict[str, str]:
        """Make these cells; return the problems of those that were not made, by their keys.

        Raises:
            Cancelled: the user interrupted.
        """
        problems: dict[str, str] = {}
        work = self._session.work
        work.emit(UnitsDone(None, 0, len(tasks), "cells"))
        try:
            for task in tasks:
                self._hand_out(task)
            while self._pending:
                finished, _ = wait(self._pending, timeout=LOOK_S, return_when=FIRST_COMPLETED)
                for future in finished:
                    task = self._pending.pop(future)
                    problem = self._take(future, task)
                    if problem:
                        problems[task.key] = problem
                        work.note(f"{task.name}: {problem}")
                    is_made = not problem and task not in self._pending.values()
                    ended = N_(f"{task.name}: made") if is_made else ""
                    work.emit(UnitsDone(None, len(tasks) - len(self._pending), len(tasks), "cells", ended))
        except KeyboardInterrupt:
            kept = sum(self._cache.has(task) for task in tasks)
            raise Cancelled(
                f"stopped as you asked; {kept} of {len(tasks)} cells were made and are kept",
                hint="the same command makes the others",
            ) from None
        return problems

    def _hand_out(self, task: Task) -> None:
        self._attempts[task.key] += 1
        self._pending[self._place.executor.submit(cell.make, task, self._kernel(task))] = task

    def _kernel(self, task: Task) -> Any:  # noqa: ANN401  a path, or what the place makes of an archive
        """Return a cell's kernel: its path, or an archive where the path cannot be seen; one for all its cells."""
        if not task.sources:
            return None
        name = task.definition.name
        if name not in self._kernels:
            path = self._session.kernels.path(name)
            self._kernels[name] = self._place.share(cell.packed(path)) if self._place.is_elsewhere else path
        return self._kernels[name]

    def _take(self, future: Future[bytes], task: Task) -> str | None:
        """Store a cell that was made, or hand it out once more; return why neither could be done."""
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
