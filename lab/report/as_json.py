"""Results as JSON: one object with a `schema`, the same for every command."""

from __future__ import annotations

import dataclasses
import json
from functools import singledispatch

from lab.bench.run import Benched
from lab.commands.box import BoxBuilt
from lab.commands.check import Checked, Planned
from lab.commands.classify import KernelsClassified
from lab.commands.doctor import Diagnosis
from lab.commands.handout import HandoutWritten
from lab.commands.kernels import KernelAdded, Kernels, KernelsRemoved
from lab.commands.lesson import LessonHeld, StepsListed
from lab.commands.machines import Statuses
from lab.commands.matrix import MatrixMade
from lab.commands.mystery import MysteriesListed, Solved
from lab.commands.plan import Plan
from lab.commands.report import ReportData
from lab.commands.run import RunDone
from lab.commands.show import RawShown, RunShown, TrialShown
from lab.commands.sweep import Swept
from lab.comparison import UNJUDGED, Cell, Comparison
from lab.diagnosis.conclusion import Conclusion
from lab.errors import LabError
from lab.evidence.trial import Source
from lab.lifeline import Lifeline
from lab.report import checking, diagnosis, kernels
from lab.report.page import document

SCHEMA = 1
"""Goes up when a reader of an older version would misread it."""


def text(data: object) -> str:
    """Give a result's data as one JSON document."""
    return json.dumps({"schema": SCHEMA, **fields(data)}, indent=1, default=vars)


@singledispatch
def fields(data: object) -> dict[str, object]:
    """Give the members of a result's JSON object."""
    raise TypeError(f"nothing says how {type(data).__name__} is written as JSON")


@fields.register
def _(data: LabError) -> dict[str, object]:
    evidence = str(data.evidence) if data.evidence else None
    return {"error": {"message": data.message, "hint": data.hint, "evidence": evidence}}


@fields.register
def _(data: Conclusion) -> dict[str, object]:
    return diagnosis.fields(data)


@fields.register
def _(data: LessonHeld) -> dict[str, object]:
    scores = {"score": vars(data.score), "quiz": vars(data.quiz)}
    return {**vars(data), **scores, "path": str(data.path) if data.path else None, "language": data.language.tag}


@fields.register
def _(data: Solved) -> dict[str, object]:
    return {**vars(data), "language": data.language.tag}


@fields.register
def _(data: HandoutWritten) -> dict[str, object]:
    return {**vars(data), "paths": [str(path) for path in data.paths]}


@fields.register
def _(data: StepsListed) -> dict[str, object]:
    return {"steps": dict(data.steps)}


@fields.register
def _(data: MysteriesListed) -> dict[str, object]:
    return {"mysteries": dict(data.mysteries)}


@fields.register
def _(data: Statuses) -> dict[str, object]:
    return {"machines": {machine.name: {**vars(machine)} for machine in data.machines}}


@fields.register
def _(data: Swept) -> dict[str, object]:
    return {
        "run": data.run,
        "path": str(data.path),
        "plot": str(data.plot),
        "machines": {name: machine.model_dump() for name, machine in data.machines.items()},
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


@fields.register
def _(data: Benched) -> dict[str, object]:
    return {**dataclasses.asdict(data), "path": str(data.path)}


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
                "added": machine.added,
                "queued_by": machine.queued_by,
            }
            for name, machine in data.machines.items()
        },
        "cells": [_cell(cell) for cell in data.cells],
        "differences": [
            {"scenario": found.scenario, "machines": [found.one.machine, found.other.machine], "p": found.p}
            for found in data.differences
        ],
        "left_out": [vars(left_out) for left_out in data.left_out],
    }


def _cell(cell: Cell) -> dict[str, object]:
    peaks = [{"near_s": near_s, "trials": count} for near_s, count in cell.peaks.items()]
    unjudged = {outcome.value: cell.unjudged.get(outcome, 0) for outcome in UNJUDGED}
    parts = {"bare": vars(cell.bare), "traced": vars(cell.traced)}
    more = {"tracing_s": cell.tracing_s, "as_expected": cell.as_expected}
    return {**vars(cell), "peaks": peaks, "unjudged": unjudged, **parts, **more}


@fields.register
def _(data: TrialShown) -> dict[str, object]:
    evidence = data.evidence
    return {
        "trial": data.name,
        "path": str(data.path),
        **_judged(data),
        "lifelines": [_lifeline(line) for line in data.verdict.lifelines],
        "counters": evidence.counted.value,
        "counters_by_tool": evidence.tool_counted.value,
        "resolver_timeouts": [
            {"time_s": event.time_s, "fd": event.fd, "waited_s": event.timeout_s}
            for event in evidence.resolver.value or ()
            if event.kind == "timed_out"
        ],
        "verdict_program_problems": list(evidence.verdicts.value.problems) if evidence.verdicts.value else [],
        "trace_events_lost": evidence.traced.value.lost if evidence.traced.value else None,
        "clocks": [vars(mark.value) if mark.value else None for mark in evidence.marks],
        "conntrack_events": [vars(event) for event in evidence.entries.value or ()],
        "modules": evidence.modules.value,
        "sources": {
            field.name: source.problem or "read"
            for field in dataclasses.fields(evidence)
            if isinstance(source := getattr(evidence, field.name), Source)
        },
    }


@fields.register
def _(data: RawShown) -> dict[str, object]:
    return {"trial": data.name, "path": str(data.path), "lines": list(data.lines)}


@fields.register
def _(data: RunShown) -> dict[str, object]:
    return {"run": data.run.id, "trials": [{"trial": shown.name, **_judged(shown)} for shown in data.trials]}


def _judged(shown: TrialShown) -> dict[str, object]:
    verdict = shown.verdict
    return {
        "outcome": verdict.outcome,
        "armed": verdict.armed,
        "lookup_s": verdict.lookup_s,
        "evidence": verdict.gathered,
        "reason": verdict.reason,
    }


def _lifeline(line: Lifeline) -> dict[str, object]:
    return {**vars(line), "lost_at": line.lost_at, "points": [vars(point) for point in line.points]}


@fields.register
def _(data: RunDone) -> dict[str, object]:
    return {"run": data.run.id, "path": str(data.path), **fields(data.comparison)}


@fields.register
def _(data: Planned) -> dict[str, object]:
    return checking.planned_fields(data)


@fields.register
def _(data: Checked) -> dict[str, object]:
    return checking.checked_fields(data)


@fields.register
def _(data: MatrixMade) -> dict[str, object]:
    judged = fields(data.comparison) if data.comparison else {}
    path = str(data.path) if data.path else None
    return {"run": data.run, "path": path, "made": [vars(one) for one in data.cells], **judged}


@fields.register
def _(data: Kernels) -> dict[str, object]:
    return {"kernels": {shown.kernel.name: kernels.shown_fields(shown) for shown in data.kernels}}


@fields.register
def _(data: KernelAdded) -> dict[str, object]:
    return {"kernel": kernels.shown_fields(data.shown), "new": data.new}


@fields.register
def _(data: KernelsRemoved) -> dict[str, object]:
    return {"removed": data.names}


@fields.register
def _(data: KernelsClassified) -> dict[str, object]:
    return {"machines": {one.name: kernels.classified_fields(one) for one in data.machines}}


@fields.register
def _(data: ReportData) -> dict[str, object]:
    return {**document.of(data), **fields(data.comparison)}
