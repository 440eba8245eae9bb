"""A comparison as a fragment for a ticket: Markdown, CSV or HTML, all from the same rows."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from lab.catalogue.machine import System
from lab.comparison.cells import Cell, Comparison
from lab.present import sentences
from lab.present.figures import interval, seconds
from lab.runs.run import RanOn


@dataclass(frozen=True)
class ComparisonRow:
    """One scenario on one machine as plain data; the attributes are the columns of the CSV.

    Attributes:
        scenario: The scenario.
        machine: The machine.
        replica: Whether the machine is a replica (ctrewind).
        added: Whether its kernel was added by the user.
        kernel: Its kernel.
        era: The kernel's era.
        trials: Number of trials.
        armed: Number of armed trials.
        counted: Number of trials that count for the kernel.
        stalled: Number of those that stalled.
        stalled_low: Lower bound of the 95 % Wilson interval of the share that stalled; None without one.
        stalled_high: Its upper bound.
        median_s: Median lookup time in seconds; of the trials without evidence if there are any.
        max_s: The longest lookup time.
        outcome: The outcome of all trials together.
        expected: The expected outcome; None for no expectation.
        as_expected: Whether the outcome is the expected one.
        unjudged: Number of trials that could not be judged.
        system: The machine's system.
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
    system: System


def rows(compared: Comparison) -> tuple[ComparisonRow, ...]:
    """Return a comparison's rows, in its order."""
    return tuple(_row(cell, compared.machines[cell.machine]) for cell in compared.cells)


def _row(cell: Cell, machine: RanOn) -> ComparisonRow:
    low, high = cell.interval or (None, None)
    return ComparisonRow(
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
        system=machine.system,
    )


COLUMNS = ("scenario", "machine", "kernel", "era", "trials", "armed", "stalled", "95 %", "median", "outcome")

NUMBERS = frozenset({"trials", "armed", "stalled", "95 %", "median"})
"""Columns that are aligned to the right."""

TO_THE_RIGHT = Markup(' align="right"')
"""An attribute, because a ticket has its own style sheet or none."""


def _texts(row: ComparisonRow) -> tuple[str, ...]:
    """Return a row's text, column by column."""
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
    yield from (sentences.left_out(left, compared.machines) for left in compared.left_out)
    yield from (sentences.answer(name, compared) for name in compared.machines)
    yield from sentences.pairs(compared)
    yield from sentences.differences(compared)
    yield from sentences.mixed(compared.machines)
    yield from (sentences.machine(name, ran_on) for name, ran_on in compared.machines.items())


def markdown(compared: Comparison) -> str:
    """Return a table in Markdown and, as a list, the notes about it."""
    lines = [
        _markdown_line(COLUMNS),
        _markdown_line("---:" if name in NUMBERS else "---" for name in COLUMNS),
        *(_markdown_line(_markdown_text(text) for text in _texts(row)) for row in rows(compared)),
        "",
        *(f"- {_markdown_text(note)}" for note in _notes(compared)),
    ]
    return "\n".join(lines)


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_text(text: str) -> str:
    """Return a text with all Markdown characters escaped."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(text.split()))


def comma_separated(compared: Comparison) -> str:
    """Return the rows as CSV (RFC 4180, but with LF line ends), with unrounded figures."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in dataclasses.fields(ComparisonRow))
    for row in rows(compared):
        writer.writerow(_csv_value(value) for value in dataclasses.astuple(row))
    return text.getvalue().rstrip("\n")


def _csv_value(value: object) -> object:
    """Format booleans as JSON does; quote a text that a spreadsheet would take for a formula."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"} else value


def html(compared: Comparison) -> str:
    """Return a table and a list in HTML, without styles: the page it is pasted into has its own."""
    head = _html_line(Markup('<th scope="col"{}>{}</th>'), COLUMNS)
    body = [_html_line(Markup("<td{}>{}</td>"), _texts(row)) for row in rows(compared)]
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
