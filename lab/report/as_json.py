"""Results as JSON: one object with a `schema`, the same for every command."""

from __future__ import annotations

import json
from functools import singledispatch

from lab.commands.box import BoxBuilt
from lab.commands.doctor import Diagnosis
from lab.commands.machines import Statuses
from lab.commands.plan import Plan
from lab.commands.run import RunDone
from lab.comparison import Comparison
from lab.errors import LabError

SCHEMA = 1
"""Goes up when a reader of an older version would misread it."""


def text(data: object) -> str:
    """Give a result's data as one JSON document."""
    return json.dumps({"schema": SCHEMA, **fields(data)}, indent=1)


@singledispatch
def fields(data: object) -> dict[str, object]:
    """Give the members of a result's JSON object."""
    raise TypeError(f"nothing says how {type(data).__name__} is written as JSON")


@fields.register
def _(data: LabError) -> dict[str, object]:
    evidence = str(data.evidence) if data.evidence else None
    return {"error": {"message": data.message, "hint": data.hint, "evidence": evidence}}


@fields.register
def _(data: Statuses) -> dict[str, object]:
    return {"machines": {machine.name: {**vars(machine)} for machine in data.machines}}


@fields.register
def _(data: Plan) -> dict[str, object]:
    return {
        "machines": {
            machine.name: {
                **vars(machine),
                "steps": [{"title": step.title, "lines": step.lines()} for step in machine.steps],
            }
            for machine in data.machines
        }
    }


@fields.register
def _(data: BoxBuilt) -> dict[str, object]:
    return {**vars(data), "path": str(data.path)}


@fields.register
def _(data: Diagnosis) -> dict[str, object]:
    return {"checks": [vars(check) for check in data.checks], "mend": data.mend}


@fields.register
def _(data: Comparison) -> dict[str, object]:
    return {
        "machines": {
            name: {
                "kernel": machine.kernel,
                "system": machine.system,
                "era": machine.era,
                "replica": machine.replica,
            }
            for name, machine in data.machines.items()
        },
        "cells": [
            {
                "machine": cell.machine,
                "scenario": cell.scenario,
                "trials": cell.trials,
                "armed": cell.armed,
                "stalled": cell.stalled,
                "failed": cell.failed,
                "median_s": cell.median_s,
                "max_s": cell.max_s,
                "verdict": cell.verdict,
            }
            for cell in data.cells
        ],
    }


@fields.register
def _(data: RunDone) -> dict[str, object]:
    return {"run": data.run.id, "path": str(data.path), **fields(data.comparison)}
