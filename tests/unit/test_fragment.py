"""Comparisons formatted for a ticket."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests import stored_runs
from tests.command_line import lab
from tests.stored_runs import HOSTILE


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab with a run of recorded trials, and a machine whose skip reason has hostile text."""
    stored = stored_runs.at(tmp_path_factory.mktemp("lab"))
    run = stored.run(stored_runs.ALL)
    stored.store.leave_out(run, "today", "nfqueue-musl", f"{HOSTILE} | *x*")
    return stored.home


@pytest.fixture(scope="module")
def cells(home: Path) -> list[dict[str, Any]]:
    """Return the cells as the JSON has them."""
    rows: list[dict[str, Any]] = json.loads(lab(home, "compare", "--json").stdout)["cells"]
    return rows


class Table(HTMLParser):
    """Parser of a table's cell texts, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.others: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a row or a cell."""
        del attrs
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
        else:
            self.others.add(tag)

    def handle_data(self, data: str) -> None:
        """Add text to a cell."""
        if self.rows and self.rows[-1] and not {"ul"} & self.others:
            self.rows[-1][-1] += data.strip()


def test_csv_has_every_cell_unrounded(home: Path, cells: list[dict[str, Any]]) -> None:
    """A spreadsheet needs unrounded values."""
    rows = list(csv.DictReader(io.StringIO(lab(home, "compare", "--format", "csv").stdout)))

    assert len(rows) == len(cells)
    for row, cell in zip(rows, cells, strict=True):
        assert (row["scenario"], row["machine"]) == (cell["scenario"], cell["machine"])
        assert row["replica"] == ("false" if cell["machine"] == "today" else "true")
        assert [int(row[name]) for name in ("trials", "armed", "counted", "stalled")] == [
            cell[name] for name in ("trials", "armed", "counted", "stalled")
        ]
        assert row["median_s"] == ("" if cell["median_s"] is None else str(cell["median_s"]))
        assert row["outcome"] == cell["verdict"]


def test_markdown_and_html_have_the_same_rows_and_name_replicas(home: Path, cells: list[dict[str, Any]]) -> None:
    """Both are rendered from one model."""
    markdown = lab(home, "compare", "--format", "md").stdout
    table = Table()
    table.feed(lab(home, "compare", "--format", "html").stdout)
    lines = [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in markdown.splitlines()
        if line.startswith("| ")
    ]

    assert [lines[0], *lines[2:]] == table.rows
    assert len(lines) == len(cells) + 2
    assert [lines[2][1], next(row[1] for row in lines if row[1].startswith("today"))] == ["old (replica)", "today"]
    assert "old (replica): 10 of 10 armed trials stalled" in markdown


def test_text_from_machines_is_escaped(home: Path) -> None:
    """A ticket is a web page."""
    markdown = lab(home, "compare", "--format", "md").stdout
    html = lab(home, "compare", "--format", "html").stdout

    assert r"\<img src=x onerror=alert(1)\> \| \*x\*" in markdown
    assert "&lt;img src=x onerror=alert(1)&gt; | *x*" in html
    assert HOSTILE not in html


def test_format_json_equals_json(home: Path) -> None:
    """They are two names of one format; two formats at once are refused."""
    assert lab(home, "compare", "--format", "json").stdout == lab(home, "compare", "--json").stdout
    assert lab(home, "compare", "--format", "md", "--json").returncode == 2
    assert "'md', 'csv', 'html', 'json', 'junit', 'tap'" in lab(home, "compare", "--format", "pdf").stderr


def test_a_comparison_without_a_cell_is_an_empty_table(tmp_path: Path) -> None:
    """Everything was skipped; the reason is printed."""
    stored = stored_runs.at(tmp_path)
    run = stored.run(("old-nfqueue",))
    for path in stored.store.trials(run, "old", "nfqueue"):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    stored.store.leave_out(run, "old", "nfqueue", "there is no nfqueue")

    for form in ("md", "html", "csv"):
        result = lab(tmp_path, "compare", "--format", form)
        assert result.returncode == 0, result.stderr
    assert "there is no nfqueue" in lab(tmp_path, "compare", "--format", "md").stdout
