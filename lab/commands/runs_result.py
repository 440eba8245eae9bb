"""Results of the commands for stored runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.runs.pack import Packed
from lab.runs.run import RanOn


@dataclass(frozen=True)
class StoredRun:
    """A stored run.

    Attributes:
        id: Its name.
        started: Its start, in UTC, as ISO 8601; None if unknown.
        finished: Its end; None if it was interrupted or the end is unknown.
        machines: The names of its machines.
        scenarios: The names of its scenarios.
        trials: Number of finished trials.
        size_bytes: Total size of its files.
        problem: The problem with its run.json; None if it can be read.
        repair: The command that rebuilds it; None if it needs no repair.
    """

    id: str
    started: str | None
    finished: str | None
    machines: tuple[str, ...]
    scenarios: tuple[str, ...]
    trials: int
    size_bytes: int
    problem: str | None = None
    repair: str | None = None


@dataclass(frozen=True)
class StoredCell:
    """A scenario on a machine.

    Attributes:
        machine: The machine's name.
        scenario: The scenario's name.
        trials: Number of finished trials.
        left_out: Why the machine does not support the scenario; None if it does, or was not asked to run it.
    """

    machine: str
    scenario: str
    trials: int
    left_out: str | None


@dataclass(frozen=True)
class RunsListed:
    """The stored runs.

    Attributes:
        path: Their directory.
        runs: The newest first.
    """

    path: Path
    runs: tuple[StoredRun, ...]


@dataclass(frozen=True)
class RunDescribed:
    """One stored run.

    Attributes:
        stored: Its summary.
        path: Its directory.
        machines: Its machines as they were, by name; empty when it is damaged.
        cells: Its trials of each scenario on each machine.
    """

    stored: StoredRun
    path: Path
    machines: dict[str, RanOn]
    cells: tuple[StoredCell, ...]


@dataclass(frozen=True)
class RunsRemoved:
    """Runs that were removed.

    Attributes:
        runs: Their names.
        size_bytes: Total size of their files.
    """

    runs: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True)
class RunRepaired:
    """A run after its repair.

    Attributes:
        run: Its name.
        path: Its directory.
        was_damaged: Whether it could not be read before the repair.
        trials: Number of its finished trials.
        machines_not_known: Machines whose descriptions were lost.
        scenarios_not_known: Scenarios whose descriptions were lost.
        scenarios_of_catalogue: Scenarios whose descriptions were taken from the current catalogue.
    """

    run: str
    path: Path
    was_damaged: bool
    trials: int
    machines_not_known: tuple[str, ...] = ()
    scenarios_not_known: tuple[str, ...] = ()
    scenarios_of_catalogue: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunExported:
    """A run in an archive.

    Attributes:
        run: Its name.
        path: The archive.
        packed: Its digest, size and content.
    """

    run: str
    path: Path
    packed: Packed


@dataclass(frozen=True)
class RunImported:
    """A run that was stored from an archive.

    Attributes:
        run: Its name.
        path: Its directory.
        is_new: Whether it was not stored before.
        trials: Number of its finished trials.
    """

    run: str
    path: Path
    is_new: bool
    trials: int
