"""Finds cells and trials in a run's directory; links are skipped."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.foundation import regular
from lab.runs.names import NAME

_NAME = re.compile(NAME, re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,7}", re.ASCII)


@dataclass(frozen=True)
class CellDirectory:
    """A machine's directory for a scenario.

    Attributes:
        machine: The machine's name.
        scenario: The scenario's name.
        path: The directory.
    """

    machine: str
    scenario: str
    path: Path


def cells(run: Path) -> Iterator[CellDirectory]:
    """Return the cells in a run's directory, by machine and scenario."""
    for machine in _directories(run):
        for scenario in _directories(machine):
            yield CellDirectory(machine.name, scenario.name, scenario)


def trials(cell: Path) -> list[Path]:
    """Return the directories of a cell's finished trials, in order."""
    # Each level is checked, since any of the three may be a link.
    if not all(regular.is_directory(path) for path in (cell.parent, cell)):
        return []
    return [cell / name for name in sorted(_numbers(cell))]


def has_trials(cell: Path) -> bool:
    """Return whether a cell has a finished trial; looks no further than the first."""
    return all(regular.is_directory(path) for path in (cell.parent, cell)) and any(True for _ in _numbers(cell))


def finished_trials(run: Path) -> int:
    """Return the number of finished trials in a run's directory, regardless of its run.json."""
    return sum(len(trials(cell.path)) for cell in cells(run))


def runs(directory: Path) -> list[Path]:
    """Return the directories of runs, the newest first, including damaged ones."""
    if not directory.is_dir():
        return []
    named = [path for path in directory.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(named, key=lambda path: path.name, reverse=True)


def size_bytes(directory: Path) -> int:
    """Return the total size of the regular files below a directory, in bytes."""
    size = 0
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            size += size_bytes(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            size += entry.stat(follow_symlinks=False).st_size
    return size


def is_name(name: str) -> bool:
    """Return whether a name is valid for a machine, a scenario or a raw file."""
    return _NAME.fullmatch(name) is not None


def is_number(name: str) -> bool:
    """Return whether a name is a valid name of a trial's directory."""
    return _NUMBER.fullmatch(name) is not None


def _numbers(cell: Path) -> Iterator[str]:
    with os.scandir(cell) as entries:
        for entry in entries:
            if is_number(entry.name) and entry.is_dir(follow_symlinks=False):
                yield entry.name


def _directories(path: Path) -> list[Path]:
    return [below for below in sorted(path.iterdir()) if is_name(below.name) and regular.is_directory(below)]
