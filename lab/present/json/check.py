"""Formats a check, or its plan, as members of a JSON object."""

from __future__ import annotations

from lab.catalogue.machine import System
from lab.commands.check_result import Checked, Planned
from lab.present import ticket
from lab.remote_check import trials
from lab.remote_check.look import Look
from lab.remote_check.plan import CheckPlan


def planned(data: Planned) -> dict[str, object]:
    """Return the members of a plan's JSON object."""
    return {
        "machine": data.machine,
        "trials": data.trials + trials.AGAIN,
        **_about(data.look),
        "plan": _plan(data.plan),
    }


def checked(data: Checked) -> dict[str, object]:
    """Return the members of a check's JSON object."""
    return {
        "machine": data.machine,
        **_about(data.look),
        "plan": _plan(data.plan),
        "run": data.run.id,
        "path": str(data.path),
        "era": data.found.era,
        "sure": data.found.sure,
        "reason": data.found.reason,
        "armed": data.found.armed,
        "stalled": data.found.stalled,
        "trials": [
            {"outcome": verdict.outcome, "armed": verdict.armed, "lookup_s": verdict.lookup_s, **vars(trial)}
            for verdict, trial in zip(data.verdicts, data.found.trials, strict=True)
        ],
        "behind_dnat": _behind_dnat(data),
        "still_loaded": data.left,
        "sentence": ticket.checked(data),
    }


def _behind_dnat(data: Checked) -> dict[str, object]:
    behind = data.behind_dnat
    if behind is None:
        return {"tried": False, "why_not": data.why_not}
    return {
        "tried": True,
        "armed": behind.armed,
        "stalled": behind.stalled,
        "trials": [
            {"outcome": verdict.outcome, "armed": verdict.armed, "lookup_s": verdict.lookup_s}
            for verdict in behind.verdicts
        ],
    }


def _about(look: Look) -> dict[str, object]:
    return {
        "kernel": look.kernel,
        "architecture": look.architecture,
        "system": System.REPLICA if look.is_replica else System.HOST,
        "distribution": look.distribution,
        "replica": look.is_replica,
    }


def _plan(plan: CheckPlan) -> dict[str, object]:
    behind = {"rule": plan.behind_dnat.rule, "load": plan.behind_dnat.load, "why_not": plan.behind_dnat.why_not}
    return {"rule": plan.rule, "sudo": plan.sudo, "load": plan.load, "meaning": plan.meaning, "behind_dnat": behind}
