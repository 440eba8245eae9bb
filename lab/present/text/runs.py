"""Formats stored runs for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from lab.commands.runs_result import (
    RunDescribed,
    RunExported,
    RunImported,
    RunRepaired,
    RunsListed,
    RunsRemoved,
    StoredRun,
)
from lab.present import sentences
from lab.present.text.spoken import line, spoken
from lab.present.text.tables import fitting, machine_line, verbatim
from lab.present.text.wrapping import columns

ID_WIDTH = 18
"""Columns of the name of a run that is the second one of its second; longer names are broken."""

NAME_WIDTH = 8
"""Columns of a machine's name; longer ones may be broken."""

NAMED = 3
"""Up to this many machines or scenarios are named; of more, only the number is shown."""


def listed(data: RunsListed) -> RenderableType:
    """Return a table of the stored runs, the newest first."""
    if not data.runs:
        return line(f"no run is stored in {data.path}; start one: lab run --help")
    table = fitting()
    longest = max(len(run.id) for run in data.runs)
    table.add_column(spoken("run"), overflow="fold", min_width=min(longest, ID_WIDTH))
    table.add_column(spoken("started (UTC)"), overflow="fold", min_width=10)
    names = (spoken("machines"), *(name for run in data.runs for name in run.machines))
    table.add_column(names[0], overflow="fold", min_width=min(max(map(columns, names)), NAME_WIDTH))
    table.add_column(spoken("scenarios"), overflow="fold", min_width=17)
    table.add_column(spoken("trials"), justify="right", no_wrap=True)
    table.add_column(spoken("size"), justify="right", no_wrap=True)
    table.add_column(spoken("state"), overflow="fold", min_width=7)
    for run in data.runs:
        table.add_row(
            Text(run.id),
            Text(_when(run.started)),
            Text(_machines(run)),
            Text(_scenarios(run)),
            str(run.trials),
            size(run.size_bytes),
            _state(run),
        )
    return Group(table, *_damage(*data.runs))


def described(data: RunDescribed) -> RenderableType:
    """Return the description of one run."""
    run = data.stored
    begun = line(f"run {run.id}, started {_when(run.started)} UTC", "bold")
    machines = [machine_line(name, machine) for name, machine in data.machines.items()]
    table = fitting()
    table.add_column(spoken("scenario, machine"), overflow="fold", min_width=16)
    table.add_column(spoken("trials"), justify="right", no_wrap=True)
    table.add_column(spoken("left out"), overflow="fold")
    previous = None
    for cell in data.cells:
        if not (cell.trials or cell.left_out):
            continue
        if cell.scenario != previous:
            table.add_row(Text(cell.scenario, style="bold"))
        machine = data.machines.get(cell.machine)
        called = spoken(sentences.called(cell.machine, machine)) if machine else cell.machine
        table.add_row(Text(f"  {called}"), str(cell.trials), line(cell.left_out or "-"))
        previous = cell.scenario
    where = line(f"{run.trials} trials, {size(run.size_bytes)}, in {data.path}", "dim")
    shown = [line(f"trial by trial: lab show {run.id}", "dim")] if run.problem is None else []
    return Group(begun, _state(run), *machines, "", table, "", *_damage(run), where, *shown)


def removed(data: RunsRemoved) -> RenderableType:
    """Return the runs that were removed."""
    if not data.runs:
        return line("no run is as old as that: nothing was removed")
    return line(f"removed: {', '.join(data.runs)} ({size(data.size_bytes)})")


def repaired(data: RunRepaired) -> RenderableType:
    """Return the result of a repair, and what could not be restored."""
    if not data.was_damaged:
        return line(f"run {data.run} is not damaged: nothing was changed")
    return Group(
        line(f"run {data.run} can be read again, with all its finished trials: {data.trials}"),
        *(line(f"machine {name}: its kernel is not known any more", "yellow") for name in data.machines_not_known),
        *(
            line(f"scenario {name}: its steps and what it expects are not known any more", "yellow")
            for name in data.scenarios_not_known
        ),
        *(
            line(f"scenario {name}: taken from the catalogue as it is today", "yellow")
            for name in data.scenarios_of_catalogue
        ),
        Text(f"lab compare --run {data.run}", style="dim"),
    )


def exported(data: RunExported) -> RenderableType:
    """Return an archive's content, and the digest by which its receiver verifies it."""
    packed = data.packed
    names = ", ".join(packed.left_out[:NAMED]) + (", ..." if len(packed.left_out) > NAMED else "")
    left_out = [line(f"left out, as no plain file of a run: {names}", "yellow")] if packed.left_out else []
    return Group(
        line(f"run {data.run}: {packed.files} files, {size(packed.size_bytes)}, in {data.path}"),
        verbatim(f"sha256 {packed.sha256}"),
        *left_out,
        line(f"elsewhere: lab runs import {data.path.name}", "dim"),
    )


def imported(data: RunImported) -> RenderableType:
    """Return the run that was imported."""
    if not data.is_new:
        return line(f"run {data.run} is stored already, and the same: nothing was changed")
    return Group(
        line(f"run {data.run} is stored, with {data.trials} finished trials, in {data.path}"),
        Text(f"lab compare --run {data.run}", style="dim"),
    )


def size(value: int) -> str:
    """Format a size with the unit that fits."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value} B"


def _when(started: str | None) -> str:
    return "-" if started is None else started.replace("T", " ").removesuffix("Z")


def _machines(run: StoredRun) -> str:
    return ", ".join(run.machines) if len(run.machines) <= NAMED else spoken(f"{len(run.machines)} machines")


def _scenarios(run: StoredRun) -> str:
    return ", ".join(run.scenarios) if len(run.scenarios) <= NAMED else spoken(f"{len(run.scenarios)} scenarios")


def _state(run: StoredRun) -> Text:
    if run.problem is not None:
        return line("damaged", "red") if run.repair else line("of another version", "red")
    return line("whole", "green") if run.finished else line("cut off", "yellow")


def _damage(*runs: StoredRun) -> list[Text]:
    return [
        line(f"run {run.id} is damaged: {run.problem}; to rebuild it: {run.repair}", "red")
        if run.repair
        else line(f"run {run.id} cannot be read: {run.problem}", "red")
        for run in runs
        if run.problem is not None
    ]
