"""Stores a cell's machine and scenario beside its trials, so that run.json can be rebuilt.

`RUN/MACHINE/SCENARIO/cell.json` is written before the first trial of the cell is stored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from lab.catalogue.document import Model
from lab.catalogue.scenario import Scenario
from lab.foundation import regular
from lab.foundation.files import write_whole
from lab.runs.names import Name
from lab.runs.run import RanOn, Run

FILE = "cell.json"


class CellFile(Model):
    """A cell of a run.

    Attributes:
        schema_version: The version of this format.
        started: The run's start, in UTC, as ISO 8601.
        trials: Number of trials requested for each cell.
        machines: The names of the run's machines, in order.
        scenarios: The names of its scenarios, in order.
        machine: The cell's machine as it was.
        scenario: The cell's scenario as it was.
    """

    schema_version: Literal[1] = 1
    started: str
    trials: int
    machines: tuple[Name, ...]
    scenarios: tuple[Name, ...]
    machine: RanOn
    scenario: Scenario


def write(cell: Path, run: Run, machine: str, scenario: str) -> None:
    """Write a cell's file, unless it exists.

    Args:
        cell: The cell's directory.
        run: The run.
        machine: The cell's machine.
        scenario: The cell's scenario.

    Raises:
        OSError: it cannot be written.
    """
    path = cell / FILE
    if path.exists() or machine not in run.machines or scenario not in run.scenarios:
        return
    described = CellFile(
        started=run.started,
        trials=run.trials,
        machines=tuple(run.machines),
        scenarios=tuple(run.scenarios),
        machine=run.machines[machine],
        scenario=run.scenarios[scenario],
    )
    write_whole(path, described.model_dump_json(indent=1))


def read(cell: Path) -> CellFile | None:
    """Read a cell's file; return None where it is missing or cannot be read."""
    try:
        return CellFile.model_validate_json(regular.read(cell / FILE))
    except (OSError, ValidationError):
        return None
