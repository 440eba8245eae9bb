"""Workarounds, as text for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from lab.commands.workarounds import WorkaroundsTried
from lab.comparison.workarounds import Help, WorkaroundRow
from lab.present import sentences
from lab.present.figures import cost, seconds
from lab.present.text.spoken import line, spoken
from lab.present.text.tables import fitting, machine_line

STYLES = {
    Help.HELPS: "green",
    Help.HELPS_PARTLY: "yellow",
    Help.HELPS_NOT: "yellow",
    Help.FAILS: "red",
    Help.UNKNOWN: "red",
    Help.NO_NEED: "dim",
    Help.NOT_THIS_CLIENT: "dim",
    Help.UNFIT: "dim",
}


def tried(data: WorkaroundsTried) -> RenderableType:
    """Return the workarounds: a row for each on each machine, then what each does and costs."""
    table = fitting("workaround, machine", "does it help?", "stalled")
    for name in ("median", "costs a lookup"):
        table.add_column(spoken(name), justify="right", no_wrap=True)
    previous = None
    for row in data.table.rows:
        if row.workaround != previous:
            table.add_row(Text(row.workaround, style="bold"))
        table.add_row(f"  {_called(data, row.machine)}", *_figures(row))
        previous = row.workaround
    bases = [line(_base(data, machine)) for machine in data.machines]
    about = [Text(f"{each.name}: {spoken(each.title)}. {spoken(each.costs)}", "dim") for each in data.known]
    machines = [machine_line(name, machine) for name, machine in data.machines.items()]
    where = line(f"run {data.run}, raw files in {data.path}", "dim")
    return Group("", *bases, "", table, "", *about, "", *machines, where)


def _called(data: WorkaroundsTried, machine: str) -> str:
    return spoken(sentences.called(machine, data.machines[machine]))


def _base(data: WorkaroundsTried, machine: str) -> str:
    """Return a sentence about the scenario without a workaround."""
    name, scenario = sentences.called(machine, data.machines[machine]), data.table.scenario
    cell, plain = data.table.base.get(machine), seconds(data.table.plain_s[machine])
    if cell is None:
        return f"{name}: {scenario} could not be run without a workaround"
    return (
        f"{name}: {cell.stalled} of {cell.counted} lookups stalled in {scenario} without a workaround; "
        f"a lookup without a queue took {plain}"
    )


def _figures(row: WorkaroundRow) -> tuple[RenderableType, ...]:
    shown = Text(spoken(row.help.value), style=STYLES[row.help])
    if row.reason:
        shown.append(f" ({spoken(row.reason)})", style="dim")
    stalled = f"{row.stalled}/{row.counted}" if row.counted else "-"
    return shown, stalled, seconds(row.median_s), cost(row.cost_s)
