"""Formats comparisons, and results with one, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from lab.present import sentences
from lab.present.figures import interval, peak, seconds
from lab.present.text.spoken import line, spoken
from lab.present.text.tables import fitting, machine_line, style

if TYPE_CHECKING:
    from lab.commands.sweep import Swept
    from lab.commands.trials import RunDone
    from lab.comparison.cells import Cell, Comparison
    from lab.runs.run import RanOn


def comparison(data: Comparison) -> RenderableType:
    """Return a comparison: a table, the machines, and their differences."""
    table = fitting()
    table.add_column(spoken("scenario, machine"), overflow="fold", min_width=16)
    traced = any(cell.traced.trials for cell in data.cells)
    for name in (spoken("trials"), spoken("armed"), spoken("stalled"), "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(spoken("waited"), justify="right")
    for name in (spoken("median"), *([spoken("traced")] if traced else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(spoken("outcome"), overflow="fold", min_width=7)
    previous = None
    for cell in data.cells:
        if cell.scenario != previous:
            table.add_row(Text(cell.scenario, style="bold"))
        machine = spoken(sentences.called(cell.machine, data.machines[cell.machine]))
        table.add_row(f"  {machine}", *_figures(cell, traced=traced))
        previous = cell.scenario
    left_out = [line(sentences.left_out(left, data.machines)) for left in data.left_out]
    machines = [machine_line(name, machine) for name, machine in data.machines.items()]
    kernels = [line(sentences.answer(name, data), "bold") for name in data.machines]
    differences = [
        line(each) for each in (*sentences.pairs(data), *sentences.differences(data), *sentences.mixed(data.machines))
    ]
    tracing = [
        _tracing(cell, data.machines[cell.machine])
        for cell in data.cells
        if cell.bare.trials and cell.traced.trials and cell.arms
    ]
    return Group("", table, "", *left_out, *machines, *filter(None, tracing), "", *kernels, *differences)


def run(data: RunDone) -> RenderableType:
    """Return a run: its comparison, and the path of its raw files."""
    return Group(comparison(data.comparison), line(f"run {data.run.id}, raw files in {data.path}", "dim"))


def sweep(data: Swept) -> RenderableType:
    """Return a sweep as a table with a row per hold."""
    table = fitting("machine, verdicts held for")
    for name in (spoken("trials"), spoken("armed"), "95 %", spoken("stalled"), "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    previous = None
    for point in data.points:
        if point.machine != previous:
            table.add_row(line(sentences.called(point.machine, data.machines[point.machine]), "bold"))
        shares = [
            cell for share in (point.armed, point.stalled) for cell in (str(share.count), interval(share.interval))
        ]
        table.add_row(f"  {point.hold_s * 1000:.0f} ms", str(point.armed.of), *shares)
        previous = point.machine
    machines = [machine_line(name, machine) for name, machine in data.machines.items()]
    where = line(f"run {data.run}, raw files in {data.path}\nplot: {data.plot}", "dim")
    return Group("", table, "", *machines, where)


def _figures(cell: Cell, *, traced: bool) -> Iterable[RenderableType]:
    outcome = Text(cell.verdict.value, style=style(cell.verdict.value))
    for unjudged, count in cell.unjudged.items():
        outcome.append(spoken(f", {count} of {cell.trials} {unjudged}"), style=style("failed"))
    if cell.expected and not cell.fits:
        outcome.append(spoken(f", expected {cell.expected}"), style="bold red")
    stalled = Text(str(cell.stalled), style=style("stalled") if cell.stalled else "")
    took = ", ".join(f"{peak(near_s)}: {count}" for near_s, count in cell.peaks.items())
    medians = [seconds(cell.bare.median_s), seconds(cell.traced.median_s)] if traced else [seconds(cell.median_s)]
    return str(cell.trials), str(cell.armed), stalled, interval(cell.interval), took or "-", *medians, outcome


def _tracing(cell: Cell, ran_on: RanOn) -> Text | None:
    """Return a note if tracing changed how many trials were armed or stalled; the medians are in the table."""
    bare, traced = ((part.trials, part.armed, part.stalled) for part in (cell.bare, cell.traced))
    if bare == traced:
        return None
    with_it, without = (
        spoken(f"{armed} of {trials} armed, {stalled} stalled") for trials, armed, stalled in (traced, bare)
    )
    where = f"{cell.scenario} on {sentences.called(cell.machine, ran_on)}"
    return line(f"{where}, with evidence against without: {with_it} against {without}", "yellow")
