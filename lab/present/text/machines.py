"""Formats machines, plans and checks of the host for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from lab.foundation.language import N_
from lab.present import sentences
from lab.present.text.spoken import line, spoken
from lab.present.text.tables import fitting, verbatim
from lab.provider.base import State

if TYPE_CHECKING:
    from lab.commands.box import BoxBuilt
    from lab.commands.doctor import Diagnosis
    from lab.commands.doctor_collect import MachineReports
    from lab.commands.machines import MachineStatus, Statuses
    from lab.commands.plan import BringUpPlan, MachinePlan
    from lab.commands.setup import SetUp

_STATES = {State.ABSENT: N_("absent"), State.HALTED: N_("halted"), State.RUNNING: N_("running")}


def statuses(data: Statuses) -> RenderableType:
    """Return a table with a row per machine, followed by a line about each."""
    table = fitting()
    for name in (N_("machine"), N_("state"), N_("by"), N_("era"), N_("kernel")):
        table.add_column(spoken(name), no_wrap=True)
    for machine in data.machines:
        name = spoken(sentences.called(machine.name, machine))
        era = machine.era or spoken(sentences.NOT_KNOWN)
        table.add_row(name, _state(machine), machine.provider or "-", era, machine.kernel or "-")
    about = [_about(machine) for machine in data.machines]
    problems = [line(machine.problem, "red") for machine in data.machines if machine.problem]
    return Group(table, "", *about, *problems)


def plan(data: BringUpPlan) -> RenderableType:
    """Return the plan for each machine."""
    return Group(*(part for machine in data.machines for part in _plan(machine)))


def box(data: BoxBuilt) -> RenderableType:
    """Return the box's path and checksum."""
    return verbatim(f"{data.path}\nversion {data.version}, sha256 {data.sha256}")


def setup(data: SetUp) -> RenderableType:
    """Return what was installed, or the commands that would install it, and what has no package here."""
    absent = " ".join(data.absent)
    lacks = [line(f"no package here: {absent}; see lab doctor", "yellow")] if absent else []
    if not data.missing:
        return Group(line("nothing is missing: every package that the lab needs on this host is installed"), *lacks)
    names = " ".join(data.missing)
    return Group(line(f"installed: {names}") if data.done else verbatim("\n".join(data.commands)), *lacks)


def doctor(data: Diagnosis) -> RenderableType:
    """Return a table with a row per check, followed by the commands that install what is missing."""
    table = fitting("", "", "")
    table.show_header = False
    for check in data.checks:
        if check.ok:
            mark = Text("ok", style="green")
        else:
            mark = line("missing", "red") if check.needed else line("without", "yellow")
        table.add_row(mark, spoken(check.name), spoken(check.found))
    commands = [line(f"to fix it: {command}", "bold") for command in data.mend]
    return Group(table, "", *commands) if commands else table


def reports(data: MachineReports) -> RenderableType:
    """Return a row per machine, and how many are ready."""
    table = fitting("", "", "")
    table.show_header = False
    for machine in data.machines:
        mark = line("ready", "green") if machine.ready else line("not ready", "red")
        table.add_row(mark, machine.name, "\n".join([*map(spoken, machine.lacks), *machine.mend]))
    ready = sum(machine.ready for machine in data.machines)
    return Group(table, "", line(f"{ready} of {len(data.machines)} machines are ready"))


def _about(machine: MachineStatus) -> Text:
    about = f"{machine.name}: {spoken(machine.title)}"
    if machine.saved:
        about = spoken(f"{about}; its state is saved")
    return Text(spoken(f"{about}; SSH at {machine.address}") if machine.address else about, style="dim")


def _state(machine: MachineStatus) -> Text:
    if machine.problem:
        return line("running, does not answer", "red")
    if machine.provisioned:
        return line("provisioned", "green")
    return line(_STATES[machine.state])


def _plan(machine: MachinePlan) -> Iterable[RenderableType]:
    yield line(f"{machine.name}: {machine.title}, by {machine.provider}: {machine.reason}", "bold")
    if machine.vagrantfile:
        yield Text("\nVagrantfile:\n")
        yield verbatim(machine.vagrantfile)
    if machine.steps:
        yield line("In the guest, unless it is there already:\n")
    for step in machine.steps:
        yield verbatim(f"# {step.title}")
        yield verbatim("\n".join(step.lines()) + "\n")
