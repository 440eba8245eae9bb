"""Formats comparisons, and results with one, as members of a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.comparison.cells import UNJUDGED
from lab.present.json import machines

if TYPE_CHECKING:
    from lab.commands.matrix import MatrixMade
    from lab.commands.sweep import Swept
    from lab.commands.trials import RunDone
    from lab.comparison.cells import Cell, Comparison


def comparison(data: Comparison) -> dict[str, object]:
    """Return the members of a comparison."""
    return {
        "machines": {name: machines.ran_on(machine) for name, machine in data.machines.items()},
        "cells": [_cell(cell) for cell in data.cells],
        "differences": [
            {"scenario": found.scenario, "machines": [found.one.machine, found.other.machine], "p": found.p}
            for found in data.differences
        ],
        "left_out": [vars(left_out) for left_out in data.left_out],
    }


def run(data: RunDone) -> dict[str, object]:
    """Return the members of a run."""
    return {"run": data.run.id, "path": str(data.path), **comparison(data.comparison)}


def matrix(data: MatrixMade) -> dict[str, object]:
    """Return the members of a matrix."""
    judged = comparison(data.comparison) if data.comparison else {}
    path = str(data.path) if data.path else None
    made, not_run = [vars(one) for one in data.cells], [vars(one) for one in data.not_run]
    return {"run": data.run, "path": path, "made": made, "not_run": not_run, **judged}


def sweep(data: Swept) -> dict[str, object]:
    """Return the members of a sweep."""
    return {
        "run": data.run,
        "path": str(data.path),
        "plot": str(data.plot),
        "machines": {name: machines.ran_on(machine) for name, machine in data.machines.items()},
        "points": [
            {
                "machine": point.machine,
                "hold_s": point.hold_s,
                "armed": vars(point.armed),
                "stalled": vars(point.stalled),
            }
            for point in data.points
        ],
    }


def _cell(cell: Cell) -> dict[str, object]:
    peaks = [{"near_s": near_s, "trials": count} for near_s, count in cell.peaks.items()]
    unjudged = {outcome.name.lower(): cell.unjudged.get(outcome, 0) for outcome in UNJUDGED}
    pairs = vars(cell.pairs) if cell.pairs else None
    parts = {"bare": vars(cell.bare), "traced": vars(cell.traced), "pairs": pairs}
    more = {"tracing_s": cell.tracing_s, "as_expected": cell.as_expected}
    return {**vars(cell), "peaks": peaks, "unjudged": unjudged, **parts, **more}
