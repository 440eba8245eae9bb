"""Formats stored trials for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from lab.present.figures import seconds
from lab.present.text.spoken import line, spoken
from lab.present.text.tables import fitting, machine_line, style, unjoined

if TYPE_CHECKING:
    from lab.commands.show import RawShown, RunShown
    from lab.commands.ssh import CommandOutput


def run(data: RunShown) -> RenderableType:
    """Return a run as a table with a row per trial."""
    table = fitting("trial", "outcome", "took", "what happened")
    for shown in data.trials:
        verdict = shown.verdict
        outcome = Text(verdict.outcome.value, style=style(verdict.outcome.value))
        table.add_row(shown.name, outcome, seconds(verdict.lookup_s), spoken(verdict.reason))
    about = [machine_line(name, machine) for name, machine in data.run.machines.items()]
    return Group(table, *about, line(f"run {data.run.id}; one trial in detail: lab show {data.run.id} TRIAL", "dim"))


def raw(data: RawShown) -> RenderableType:
    """Return the lines of a trial's raw file."""
    return unjoined(data.lines)


def printed(data: CommandOutput) -> RenderableType:
    """Return the output of a command in a machine, unchanged."""
    return unjoined(data.lines)
