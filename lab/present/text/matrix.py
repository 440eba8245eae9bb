"""Formats a matrix of kernels and scenarios for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.commands.matrix import MatrixMade
from lab.comparison.cells import Cell, CellVerdict
from lab.present import sentences
from lab.present.sentences import called
from lab.present.text.spoken import line, spoken
from lab.present.text.tables import folding

STYLES = {
    CellVerdict.HEALTHY: "green",
    CellVerdict.STALLED: "yellow",
    CellVerdict.MIXED: "yellow",
    CellVerdict.NOT_STARTED: "red",
    CellVerdict.FAILED: "red",
    CellVerdict.CONTRADICTORY: "red",
    CellVerdict.INCONCLUSIVE: "red",
}


def matrix(data: MatrixMade) -> RenderableType:
    """Return a table of scenarios and machines, with the share of counted trials that stalled."""
    parts: list[RenderableType] = ["", _table(data), ""] if data.cells else []
    parts += [
        Text(f"{one.scenario}, {one.machine}: {spoken(one.problem)}", style="red") for one in data.cells if one.problem
    ]
    parts += [line(f"{one.name} was not run: {one.reason}", "red") for one in data.not_run]
    if data.comparison:
        left_out = data.comparison.left_out
        parts += [line(sentences.left_out(one, data.comparison.machines), "dim") for one in left_out]
        parts += [line(sentences.answer(name, data.comparison), "bold") for name in data.comparison.machines]
        parts += [line(each) for each in sentences.mixed(data.comparison.machines)]
    if data.cells:
        parts.append(
            line("stalled trials / trials that show something about the kernel; ! is not what was expected", "dim")
        )
    if data.run:
        parts.append(line(f"run {data.run}, raw files in {data.path}", "dim"))
    return Group(*parts)


def _table(data: MatrixMade) -> Table:
    """Return a table with a row per scenario, or a row per machine if there are more machines."""
    table = folding()
    machines, scenarios = _each(one.machine for one in data.cells), _each(one.scenario for one in data.cells)
    judged = {(cell.scenario, cell.machine): cell for cell in data.comparison.cells} if data.comparison else {}
    left_out = {(one.scenario, one.machine) for one in data.comparison.left_out} if data.comparison else set()

    def shown(scenario: str, machine: str) -> Text:
        return _shown(judged.get((scenario, machine)), left_out=(scenario, machine) in left_out)

    titles = [_called(machine, data) for machine in machines]
    if len(machines) > len(scenarios):
        table.add_column(spoken("kernel"), overflow="fold")
        for scenario in scenarios:
            table.add_column(scenario, overflow="fold", justify="right")
        for machine, title in zip(machines, titles, strict=True):
            table.add_row(title, *(shown(scenario, machine) for scenario in scenarios))
        return table
    table.add_column(spoken("scenario"), overflow="fold")
    for title in titles:
        table.add_column(title, overflow="fold", justify="right")
    for scenario in scenarios:
        table.add_row(scenario, *(shown(scenario, machine) for machine in machines))
    return table


def _called(machine: str, data: MatrixMade) -> str:
    ran_on = data.comparison.machines.get(machine) if data.comparison else None
    return spoken(called(machine, ran_on)) if ran_on else machine


def _shown(cell: Cell | None, *, left_out: bool) -> Text:
    if cell is None:
        return line("left out" if left_out else "not made", "dim" if left_out else "red")
    counted = f"{cell.stalled}/{cell.counted}" if cell.counted else cell.verdict.value
    return Text(counted if cell.as_expected else f"{counted} !", style=STYLES.get(cell.verdict, ""))


def _each(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
