"""Tables that stay readable on narrow terminals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

READABLE = 24
"""Minimum width of a column whose text may be broken anywhere."""

INDENT = 2
"""Columns by which the other cells of a stacked row are indented."""


class FittingTable(Table):
    """A table that stacks the cells of each row if its columns do not fit side by side, with gaps of one column."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table, or its rows with stacked cells."""
        top, right, bottom, left = self.padding
        needs = [_needs(column, console, options) for column in self.columns]
        for gap in (right, min(right, 1)):
            room = options.max_width - (len(self.columns) - 1) * (gap + left)
            if sum(needs) > room:
                continue
            self.padding = (top, gap, bottom, left)
            # Otherwise rich makes columns narrower than necessary and the table too wide.
            for column, width in zip(self.columns, _shared_out(room, needs, self.columns), strict=True):
                column.width = width
            yield from super().__rich_console__(console, options)
            return
        headers = [_text(column.header) for column in self.columns] if self.show_header else []
        for row in zip(*(column.cells for column in self.columns), strict=True):
            yield from _stacked([_text(cell) for cell in row], headers)


def _shared_out(room: int, needs: Sequence[int], columns: Sequence[Column]) -> list[int]:
    """Return the columns' widths: the minimum of each, plus a part of the remaining space, the last columns first."""
    left, widths = room - sum(needs), list(needs)
    for place, column in reversed(list(enumerate(columns))):
        more = min(left, max(_widest(column) - widths[place], 0))
        left -= more
        widths[place] += more
    return widths


def _needs(column: Column, console: Console, options: ConsoleOptions) -> int:
    """Return the minimum width of a column."""
    if column.no_wrap:
        return _widest(column)
    if column.overflow == "fold":
        return column.min_width or min(_widest(column), READABLE)
    return max(Measurement.get(console, options, cell).minimum for cell in _cells(column))


def _widest(column: Column) -> int:
    return max(cell.cell_len for cell in _cells(column))


def _cells(column: Column) -> list[Text]:
    return [_text(cell) for cell in (column.header, *column.cells)]


def _text(cell: RenderableType) -> Text:
    return cell.copy() if isinstance(cell, Text) else Text(str(cell))


def _stacked(cells: Sequence[Text], headers: Sequence[Text]) -> Iterable[RenderableType]:
    """Yield a row's cells: the others with headers below the first; without headers, the last below the others."""
    if headers:
        yield cells[0]
        named = [(header, cell) for header, cell in zip(headers[1:], cells[1:], strict=True) if cell.plain.strip()]
        pairs = [Text.assemble((header.plain, "dim"), " ", cell) for header, cell in named]
        others = Text(", ").join(pairs)
    else:
        yield Text(" ").join(cell for cell in cells[:-1] if cell.plain.strip())
        others = cells[-1]
    if others.plain.strip():
        deeper = len(cells[0].plain) - len(cells[0].plain.lstrip())
        yield Padding(others, (0, 0, 0, INDENT + deeper))
