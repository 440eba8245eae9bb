"""A comparison as a fragment to paste into a ticket: Markdown, CSV or HTML, all made of the same rows."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from lab.comparison import Cell, Comparison, sentence
from lab.report import sentences
from lab.report.figures import interval, seconds
from lab.store import RanOn


@dataclass(frozen=True)
class Row:
    """A scenario on a machine, as plain data; CSV has these names, and these alone.

    Attributes:
        scenario: The scenario.
        machine: The machine.
        replica: Whether ctrewind made it what it is.
        added: Whether its kernel is one that somebody gave the lab.
        kernel: Its kernel.
        era: How that behaves at a clash.
        trials: How many were made.
        armed: In how many the race was armed.
        counted: How many say something about the kernel.
        stalled: How many of those stalled.
        stalled_low: Where the 95 % Wilson interval of the share that stalled begins; None for none.
        stalled_high: Where it ends.
        median_s: Median name-lookup time, in seconds; of the trials without evidence, if there are any.
        max_s: The longest.
        outcome: How the trials went, taken together.
        expected: How they were expected to go; None for no expectation.
        as_expected: Whether they did.
        unjudged: How many could not be judged.
    """

    scenario: str
    machine: str
    replica: bool
    added: bool
    kernel: str
    era: str
    trials: int
    armed: int
    counted: int
    stalled: int
    stalled_low: float | None
    stalled_high: float | None
    median_s: float | None
    max_s: float | None
    outcome: str
    expected: str | None
    as_expected: bool
    unjudged: int


def rows(compared: Comparison) -> tuple[Row, ...]:
    """Give a comparison's rows, in its order."""
    return tuple(_row(cell, compared.machines[cell.machine]) for cell in compared.cells)


def _row(cell: Cell, machine: RanOn) -> Row:
    low, high = cell.interval or (None, None)
    return Row(
        scenario=cell.scenario,
        machine=cell.machine,
        replica=machine.replica,
        kernel=machine.kernel,
        added=machine.added,
        era=machine.era.value if machine.era else sentences.NOT_KNOWN,
        trials=cell.trials,
        armed=cell.armed,
        counted=cell.counted,
        stalled=cell.stalled,
        stalled_low=low,
        stalled_high=high,
        median_s=cell.own_median_s,
        max_s=cell.max_s,
        outcome=cell.verdict.value,
        expected=cell.expected.value if cell.expected else None,
        as_expected=cell.as_expected,
        unjudged=sum(cell.unjudged.values()),
    )


COLUMNS = ("scenario", "machine", "kernel", "era", "trials", "armed", "stalled", "95 %", "median", "outcome")

NUMBERS = frozenset({"trials", "armed", "stalled", "95 %", "median"})
"""These columns are set to the right."""

TO_THE_RIGHT = Markup(' align="right"')
"""As an attribute: a ticket's own style sheet, or none, will do."""


def _said(row: Row) -> tuple[str, ...]:
    """Give what a person reads in a row, column by column."""
    outcome = row.outcome
    if row.unjudged:
        outcome += f", {row.unjudged} of {row.trials} not judged"
    if row.expected and not row.as_expected:
        outcome += f", expected {row.expected}"
    share = None if row.stalled_low is None or row.stalled_high is None else (row.stalled_low, row.stalled_high)
    return (
        row.scenario,
        sentences.called(row.machine, row),
        row.kernel,
        row.era,
        str(row.trials),
        str(row.armed),
        f"{row.stalled} of {row.counted}" if row.counted else "-",
        interval(share),
        seconds(row.median_s),
        outcome,
    )


def _notes(compared: Comparison) -> Iterator[str]:
    yield from (sentences.left_out(found) for found in compared.left_out)
    yield from (sentence(name, compared.cells) for name in compared.machines)
    yield from sentences.differences(compared)
    yield from (sentences.machine(name, ran_on) for name, ran_on in compared.machines.items())


def markdown(compared: Comparison) -> str:
    """Give a table in Markdown, as forges read it, and what is to be said beside it as a list."""
    lines = [
        _markdown_line(COLUMNS),
        _markdown_line("---:" if name in NUMBERS else "---" for name in COLUMNS),
        *(_markdown_line(_markdown_text(text) for text in _said(row)) for row in rows(compared)),
        "",
        *(f"- {_markdown_text(note)}" for note in _notes(compared)),
    ]
    return "\n".join(lines)


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_text(text: str) -> str:
    """Give a text so that nothing in it is read as markup."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(text.split()))


def comma_separated(compared: Comparison) -> str:
    """Give the rows as CSV (RFC 4180, but with the line ends of a terminal): figures whole, in seconds and shares."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(field.name for field in dataclasses.fields(Row))
    for row in rows(compared):
        writer.writerow(_csv_value(value) for value in dataclasses.astuple(row))
    return written.getvalue().rstrip("\n")


def _csv_value(value: object) -> object:
    """Write what is true or false as JSON does; a text that a spreadsheet would compute is quoted for it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"} else value


def html(compared: Comparison) -> str:
    """Give a table and a list in HTML, without any style: it takes that of the page it is pasted into."""
    head = _html_line(Markup('<th scope="col"{}>{}</th>'), COLUMNS)
    body = [_html_line(Markup("<td{}>{}</td>"), _said(row)) for row in rows(compared)]
    notes = [Markup("<li>{}</li>").format(note) for note in _notes(compared)]
    return "\n".join(
        ["<table>", f"<thead>{head}</thead>", "<tbody>", *body, "</tbody>", "</table>", "<ul>", *notes, "</ul>"]
    )


def _html_line(cell: Markup, texts: Iterable[str]) -> Markup:
    cells = [
        cell.format(TO_THE_RIGHT if name in NUMBERS else Markup(""), text)
        for name, text in zip(COLUMNS, texts, strict=True)
    ]
    return Markup("<tr>{}</tr>").format(Markup("").join(cells))


FORMS: Mapping[str, Callable[[Comparison], str]] = {"md": markdown, "csv": comma_separated, "html": html}
