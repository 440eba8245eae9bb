"""A matrix of kernels and scenarios, as text and as JSON's members."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.commands.matrix import MatrixMade
from lab.comparison import Cell, CellVerdict, sentence
from lab.report.sentences import called

STYLES = {
    CellVerdict.HEALTHY: "green",
    CellVerdict.STALLED: "yellow",
    CellVerdict.MIXED: "yellow",
    CellVerdict.FAILED: "red",
    CellVerdict.CONTRADICTORY: "red",
    CellVerdict.INCONCLUSIVE: "red",
}


def matrix(data: MatrixMade) -> RenderableType:
    """Give one table: a row a scenario, a column a machine; how many of the trials that count stalled."""
    parts: list[RenderableType] = ["", _table(data), ""]
    parts += [Text(f"{one.scenario} on {one.machine}: {one.problem}", style="red") for one in data.cells if one.problem]
    if data.comparison:
        left_out = data.comparison.left_out
        parts += [Text(f"{one.scenario} on {one.machine} is left out: {one.reason}", style="dim") for one in left_out]
        parts += [Text(sentence(name, data.comparison.cells), style="bold") for name in data.comparison.machines]
    parts.append(Text("stalled trials / trials that say something of the kernel; ! is not what was expected", "dim"))
    if data.run:
        parts.append(Text(f"run {data.run}, raw files in {data.path}", style="dim"))
    return Group(*parts)


def _table(data: MatrixMade) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    machines, scenarios = _each(one.machine for one in data.cells), _each(one.scenario for one in data.cells)
    table.add_column("scenario", overflow="fold")
    for machine in machines:
        ran_on = data.comparison.machines.get(machine) if data.comparison else None
        told = called(machine, ran_on) if ran_on else machine
        table.add_column(told, overflow="fold", justify="right")
    judged = {(cell.scenario, cell.machine): cell for cell in data.comparison.cells} if data.comparison else {}
    left_out = {(one.scenario, one.machine) for one in data.comparison.left_out} if data.comparison else set()
    for scenario in scenarios:
        row = [
            _shown(judged.get((scenario, machine)), left_out=(scenario, machine) in left_out) for machine in machines
        ]
        table.add_row(scenario, *row)
    return table


def _shown(cell: Cell | None, *, left_out: bool) -> Text:
    if cell is None:
        return Text("left out" if left_out else "not made", style="dim" if left_out else "red")
    counted = f"{cell.stalled}/{cell.counted}" if cell.counted else cell.verdict.value
    return Text(counted if cell.as_expected else f"{counted} !", style=STYLES.get(cell.verdict, ""))


def _each(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
