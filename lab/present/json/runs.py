"""Formats stored runs as members of a JSON object."""

from __future__ import annotations

from lab.commands.runs_result import (
    RunDescribed,
    RunExported,
    RunImported,
    RunRepaired,
    RunsListed,
    RunsRemoved,
    StoredRun,
)
from lab.present.json import machines


def listed(data: RunsListed) -> dict[str, object]:
    """Return the members of a list of runs."""
    return {"path": str(data.path), "runs": [_stored(run) for run in data.runs]}


def described(data: RunDescribed) -> dict[str, object]:
    """Return the members of one run."""
    return {
        **_stored(data.stored),
        "path": str(data.path),
        "systems": {name: machines.ran_on(machine) for name, machine in data.machines.items()},
        "cells": [vars(cell) for cell in data.cells],
    }


def removed(data: RunsRemoved) -> dict[str, object]:
    """Return the members of runs that were removed."""
    return {"removed": list(data.runs), "bytes": data.size_bytes}


def repaired(data: RunRepaired) -> dict[str, object]:
    """Return the members of a repaired run."""
    return {**vars(data), "path": str(data.path)}


def exported(data: RunExported) -> dict[str, object]:
    """Return the members of an exported run."""
    packed = data.packed
    return {
        "run": data.run,
        "path": str(data.path),
        "sha256": packed.sha256,
        "bytes": packed.size_bytes,
        "files": packed.files,
        "left_out": list(packed.left_out),
    }


def imported(data: RunImported) -> dict[str, object]:
    """Return the members of an imported run."""
    return {"run": data.run, "path": str(data.path), "new": data.is_new, "trials": data.trials}


def _stored(run: StoredRun) -> dict[str, object]:
    return {
        "run": run.id,
        "started": run.started,
        "finished": run.finished,
        "machines": list(run.machines),
        "scenarios": list(run.scenarios),
        "trials": run.trials,
        "bytes": run.size_bytes,
        "damaged": run.problem is not None,
        "problem": run.problem,
        "repair": run.repair,
    }
