"""Formats stored trials as members of a JSON object."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from lab.foundation.later import Later
from lab.present.json import machines

if TYPE_CHECKING:
    from lab.commands.show import RawShown, RunShown, TrialListed, TrialShown
    from lab.evidence import trial as evidence_trial
    from lab.judgement.lifeline import Lifeline
else:
    evidence_trial = Later("lab.evidence.trial")


def trial(data: TrialShown) -> dict[str, object]:
    """Return the members of a trial."""
    evidence = data.evidence
    return {
        "trial": data.name,
        "machine": {"name": data.machine, **machines.ran_on(data.ran_on)} if data.ran_on else None,
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
        "strangers": dict(evidence.strangers),
        "trace_clock": evidence.trace_clock.value,
        "trace_events_lost": evidence.traced.value.lost if evidence.traced.value else None,
        "clocks": [vars(mark.value) if mark.value else None for mark in evidence.marks],
        "conntrack_events": [vars(event) for event in evidence.entries.value or ()],
        "modules": evidence.modules.value,
        "sources": {
            field.name: source.problem or "read"
            for field in dataclasses.fields(evidence)
            if isinstance(source := getattr(evidence, field.name), evidence_trial.Source)
        },
    }


def raw(data: RawShown) -> dict[str, object]:
    """Return the members of a trial's raw file."""
    return {"trial": data.name, "path": str(data.path), "lines": list(data.lines)}


def run(data: RunShown) -> dict[str, object]:
    """Return the members of a run's trials."""
    return {
        "run": data.run.id,
        "machines": {name: machines.ran_on(machine) for name, machine in data.run.machines.items()},
        "trials": [{"trial": shown.name, **_judged(shown)} for shown in data.trials],
    }


def _judged(shown: TrialShown | TrialListed) -> dict[str, object]:
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
