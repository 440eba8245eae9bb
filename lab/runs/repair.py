"""Rebuilds a damaged run's description from the files beside its trials."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pydantic_core
from pydantic import ValidationError

from lab.catalogue import find
from lab.catalogue.document import Model
from lab.catalogue.machine import System
from lab.catalogue.scenario import Scenario, TimedLookup
from lab.foundation import regular
from lab.foundation.files import write_whole
from lab.foundation.home import SCENARIOS
from lab.runs import cell_file, layout
from lab.runs.layout import CellDirectory
from lab.runs.run import RUN, SCHEMA, RanOn, Run

KEPT = "run.json.damaged"
"""The name under which the damaged description is kept."""

NOT_KNOWN = "not known"
"""Placeholder for a value that neither the trials' files nor the damaged description have."""

_SCENARIO = re.compile(r"[a-z][a-z0-9-]{0,60}", re.ASCII)
"""Pattern of a scenario's name."""

_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Rebuilt:
    """A description that was rebuilt.

    Attributes:
        run: The description.
        machines_not_known: Machines whose descriptions were lost; only their trials were found.
        scenarios_not_known: Scenarios whose descriptions were lost; only their trials were found.
        scenarios_of_catalogue: Scenarios whose descriptions were taken from the lab's current catalogue.
    """

    run: Run
    machines_not_known: tuple[str, ...]
    scenarios_not_known: tuple[str, ...]
    scenarios_of_catalogue: tuple[str, ...]


@dataclass
class _Pieces:
    """The parts of a description that were found."""

    started: str | None = None
    finished: str | None = None
    trials: int = 0
    machines: dict[str, RanOn] = field(default_factory=dict)
    scenarios: dict[str, Scenario] = field(default_factory=dict)
    machine_order: list[str] = field(default_factory=list)
    scenario_order: list[str] = field(default_factory=list)


def rebuild(directory: Path) -> Rebuilt:
    """Rebuild a run's description.

    The files of cells take precedence over the readable part of the damaged description, and that over the catalogue.
    A cell that none of them describes is kept, too: the result has every finished trial.

    Args:
        directory: The run's directory.
    """
    pieces = _salvaged(directory)
    cells = [cell for cell in layout.cells(directory) if _is_cell(cell)]
    for cell in cells:
        _add(pieces, cell)
    machines = _ordered([*pieces.machines, *(cell.machine for cell in cells)], pieces.machine_order)
    scenarios = _ordered([*pieces.scenarios, *(cell.scenario for cell in cells)], pieces.scenario_order)
    catalogue = {name: found for name in scenarios if name not in pieces.scenarios and (found := _of_catalogue(name))}
    described = {**catalogue, **pieces.scenarios}
    run = Run(
        schema_version=SCHEMA,
        id=directory.name,
        started=pieces.started or _started(directory.name),
        finished=pieces.finished,
        trials=max([pieces.trials, *(len(layout.trials(cell.path)) for cell in cells if not pieces.trials)], default=0),
        machines={name: pieces.machines.get(name) or _unknown_machine() for name in machines},
        scenarios={name: described.get(name) or _unknown_scenario(name) for name in scenarios},
    )
    return Rebuilt(
        run,
        machines_not_known=tuple(name for name in machines if name not in pieces.machines),
        scenarios_not_known=tuple(name for name in scenarios if name not in described),
        scenarios_of_catalogue=tuple(name for name in scenarios if name in catalogue),
    )


def store(directory: Path, rebuilt: Rebuilt) -> None:
    """Write a rebuilt description, and keep the damaged one beside it.

    Raises:
        OSError: it cannot be written.
    """
    path = directory / RUN
    if path.is_symlink() or path.exists():
        path.rename(directory / KEPT)
    write_whole(path, rebuilt.run.model_dump_json(indent=1))


def _is_cell(cell: CellDirectory) -> bool:
    """Return whether a directory is a valid cell."""
    return _SCENARIO.fullmatch(cell.scenario) is not None and any(cell.path.iterdir())


def _salvaged(directory: Path) -> _Pieces:
    """Return the readable part of a damaged description, which is usually truncated."""
    pieces = _Pieces()
    try:
        data = pydantic_core.from_json(regular.read(directory / RUN), allow_partial="trailing-strings")
    except (OSError, ValueError):
        return pieces
    if not isinstance(data, dict):
        return pieces
    if isinstance(started := data.get("started"), str) and _is_time(started):
        pieces.started = started
    if isinstance(finished := data.get("finished"), str) and _is_time(finished):
        pieces.finished = finished
    if isinstance(trials := data.get("trials"), int) and not isinstance(trials, bool) and trials > 0:
        pieces.trials = trials
    pieces.machines = dict(_described(data.get("machines"), RanOn))
    pieces.scenarios = {name: one for name, one in _described(data.get("scenarios"), Scenario) if one.name == name}
    pieces.machine_order, pieces.scenario_order = list(pieces.machines), list(pieces.scenarios)
    return pieces


def _described(data: object, model: type[M]) -> Iterator[tuple[str, M]]:
    if not isinstance(data, dict):
        return
    for name, members in data.items():
        try:
            # As JSON, since pydantic's strict mode accepts a string for an enum only in JSON.
            described = model.model_validate_json(pydantic_core.to_json(members))
        except ValidationError:
            continue
        if layout.is_name(name):
            yield name, described


def _add(pieces: _Pieces, cell: CellDirectory) -> None:
    kept = cell_file.read(cell.path)
    if kept is None:
        return
    pieces.started = pieces.started or (kept.started if _is_time(kept.started) else None)
    pieces.trials = max(pieces.trials, kept.trials)
    pieces.machines[cell.machine] = kept.machine
    if kept.scenario.name == cell.scenario:
        pieces.scenarios[cell.scenario] = kept.scenario
    pieces.machine_order = _merged(pieces.machine_order, kept.machines)
    pieces.scenario_order = _merged(pieces.scenario_order, kept.scenarios)


def _merged(one: list[str], other: tuple[str, ...]) -> list[str]:
    """Return the names of both: in an extended run, the newer cells have the longer list."""
    first, second = sorted(([*other], one), key=len, reverse=True)
    return list(dict.fromkeys([*first, *second]))


def _ordered(names: Iterable[str], order: list[str]) -> list[str]:
    """Return distinct names in the order of the run, followed by those that it does not have."""
    there = dict.fromkeys(names)
    return list(dict.fromkeys([*(name for name in order if name in there), *there]))


def _of_catalogue(name: str) -> Scenario | None:
    known = any(SCENARIOS.glob(f"{name}.toml")) or any(SCENARIOS.glob(f"{find.PRODUCTS}/{name}.toml"))
    return find.scenarios(SCENARIOS, [name])[0] if known else None


def _unknown_machine() -> RanOn:
    return RanOn(kernel=NOT_KNOWN, era=None, system=System.HOST, title="rebuilt from its trials")


def _unknown_scenario(name: str) -> Scenario:
    return Scenario(
        name=name,
        title="rebuilt from its trials",
        shows="Nothing is known of it but its trials.",
        step=(TimedLookup(do="lookup"),),
        expected={},
    )


def _started(run_id: str) -> str:
    """Parse a run's start from its name."""
    found = _STAMP.match(run_id)
    if found is None:
        return NOT_KNOWN
    year, month, day, hour, minute, second = found.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"


def _is_time(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text, re.ASCII) is not None
