"""Formats measurements for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from lab.bench.run import Benched
from lab.present.text.tables import fitting


def bench(data: Benched) -> RenderableType:
    """Return a table with a row per figure, and its value in the run before."""
    table = fitting("measured")
    for name in ("median", "before", "range", "of"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, part in data.parts.items():
        table.add_row(Text(f"{name}, {part.measured}, load {part.load:g}", style="bold"))
        for figure_name, figure in part.figures.items():
            spread = "" if figure.least is None else f"{figure.least:g} - {figure.most:g}"
            before = data.before.get(name, {}).get(figure_name)
            was = "" if before is None else f"{before:g}"
            table.add_row(f"  {figure_name}", f"{figure.value:g}", was, spread, str(figure.of))
    return Group("", table, Text(f"written to {data.path}", style="dim"))
