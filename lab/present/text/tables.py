"""Tables, lists and unbroken lines, used by all results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.present import sentences
from lab.present.text.narrow import FittingTable
from lab.present.text.spoken import line, spoken

if TYPE_CHECKING:
    from lab.runs.run import RanOn


def fitting(*names: str) -> Table:
    """Return an empty table that stacks the cells of each row if its columns do not fit."""
    return _with_columns(FittingTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold"), names)


def folding(*names: str) -> Table:
    """Return an empty table that breaks its cells anywhere if its columns do not fit."""
    return _with_columns(Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold"), names)


def _with_columns(table: Table, names: Iterable[str]) -> Table:
    for name in names:
        table.add_column(spoken(name), overflow="fold")
    return table


def listed(named: Iterable[tuple[str, str]]) -> RenderableType:
    """Return a table of names and their titles."""
    table = fitting()
    table.show_header = False
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, title in named:
        table.add_row(Text(name, style="bold"), title)
    return table


def verbatim(text: str) -> Text:
    """Return lines that are not broken, since users copy them."""
    return Text(text, no_wrap=True, overflow="ignore")


def unjoined(lines: Iterable[str]) -> RenderableType:
    """Return lines that are not broken; in a group, since the console would join and break them otherwise."""
    return Group(verbatim("\n".join(lines)))


_STYLES = {"stalled": "yellow", "healthy": "green", "failed": "red", "not started": "red", "mixed": "yellow"}


def style(outcome: str) -> str:
    """Return the style of an outcome."""
    return _STYLES.get(outcome, "")


def machine_line(name: str, machine: RanOn) -> Text:
    """Return the line about a machine below a table."""
    return line(sentences.machine(name, machine), "dim")
