"""A trainer's kit, as text for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType

from lab.commands.kit import KitWritten
from lab.present.text.runs import size
from lab.present.text.spoken import line
from lab.present.text.tables import fitting, verbatim


def written(data: KitWritten) -> RenderableType:
    """Return the files of a kit, and what it lacks."""
    table = fitting("", "")
    table.show_header = False
    for file in data.files:
        table.add_row(file.name, size(file.bytes))
    lacks = [line(f"not in it: {part.what}; to have it: {part.command}", "yellow") for part in data.left_out]
    return Group(table, "", *lacks, line(f"the kit: {data.path}"), verbatim(f"sha256 {data.sha256}"))
