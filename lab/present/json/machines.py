"""Formats machines, plans and checks of the host as members of a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.commands.box import BoxBuilt
    from lab.commands.doctor import Diagnosis
    from lab.commands.doctor_collect import MachineReports
    from lab.commands.machines import Statuses
    from lab.commands.plan import BringUpPlan
    from lab.commands.setup import SetUp
    from lab.runs.run import RanOn


def ran_on(machine: RanOn) -> dict[str, object]:
    """Return the members of a machine as it was; `replica` and `added` repeat `system` for older readers."""
    return {
        "kernel": machine.kernel,
        "system": machine.system,
        "distribution": machine.distribution,
        "era": machine.era,
        "replica": machine.replica,
        "added": machine.added,
        "title": machine.title,
        "verified": machine.verified,
        "queued_by": machine.queued_by,
    }


def statuses(data: Statuses) -> dict[str, object]:
    """Return the members of the machines' states."""
    return {"machines": {machine.name: {**vars(machine)} for machine in data.machines}}


def plan(data: BringUpPlan) -> dict[str, object]:
    """Return the members of a plan."""
    return {
        "machines": {
            machine.name: {
                **vars(machine),
                "steps": [{"title": step.title, "lines": step.lines()} for step in machine.steps],
            }
            for machine in data.machines
        }
    }


def box(data: BoxBuilt) -> dict[str, object]:
    """Return the members of a box."""
    return {**vars(data), "path": str(data.path)}


def setup(data: SetUp) -> dict[str, object]:
    """Return the members of a result of `lab setup`."""
    return {**vars(data)}


def doctor(data: Diagnosis) -> dict[str, object]:
    """Return the members of a result of `lab doctor`."""
    return {"checks": [vars(check) for check in data.checks], "mend": data.mend}


def reports(data: MachineReports) -> dict[str, object]:
    """Return the members of what `lab doctor` found on many machines."""
    return {"machines": [vars(machine) for machine in data.machines]}
