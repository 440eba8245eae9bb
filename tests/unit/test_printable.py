"""Text that is printed: no character controls the terminal, letters of every language stay."""

from __future__ import annotations

import io
import unicodedata
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.cli.detail import Detail
from lab.cli.progress import Progress
from lab.cli.terminal import CleanConsole
from lab.diagnosis.material import Citation
from lab.foundation.printable import cleaned, printable, printable_lines
from lab.foundation.work import Note, StepEnded, StepStarted, TrialEnded
from lab.runs.run import RanOn
from tests import hostile
from tests.stored_runs import MACHINES

ANY = st.text(st.characters(exclude_categories=()))
LETTERS = st.text(st.characters(categories=("L", "M", "N", "P", "S", "Zs")))


class Pair(NamedTuple):
    """A named tuple of a result."""

    name: str
    number: int


@given(ANY)
def test_a_cleaned_text_is_one_line_without_controls_and_stays_the_same_when_cleaned_again(text: str) -> None:
    """C0, C1, direction marks, separators, lone surrogates."""
    shown = printable(text)

    assert printable(shown) == shown
    assert not {character for character in shown if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}} - {
        "\t"
    }
    assert not {unicodedata.bidirectional(character) for character in shown} & {
        *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    }
    assert not set(shown) & set("\u200e\u200f\u061c")
    assert shown.isascii() or shown.encode()


@given(LETTERS)
def test_letters_marks_and_signs_of_every_language_stay(text: str) -> None:
    """A text without controls is its own cleaned text."""
    assert printable(text) == text


@given(ANY)
def test_lines_are_kept_where_a_text_has_lines(text: str) -> None:
    """The only difference is the line feed."""
    assert printable_lines(text).replace("\n", "\\n") == printable(text)
    assert printable_lines(text).count("\n") == text.count("\n")


def test_every_text_of_a_result_is_cleaned_and_the_rest_stays_as_it_is() -> None:
    """In dataclasses with and without slots, models, mappings, sequences, named tuples and paths."""
    old = MACHINES["old"]
    place = Citation("a\nb", 1, None, "c\x1bd")
    result = cleaned(
        {
            "k\n": [old.model_copy(update={"kernel": hostile.TEXT}), place, Path("/a\nb"), Pair("\x9b", 7)],
        }
    )
    counts = cleaned(Counter({"\x1b": 2}))
    machine, cited, path, pair = result["k\\n"]

    assert isinstance(machine, RanOn)
    assert machine.era is old.era
    hostile.require_clean(machine.kernel, marks="")
    assert cited == Citation("a\\nb", 1, None, "c?d")
    assert (path, pair) == (Path("/a\\nb"), Pair("?", 7))
    assert counts["?"] == 2
    assert counts["another"] == 0  # a Counter still
    assert place.text == "c\x1bd"


@pytest.mark.parametrize("value", [MACHINES, ["a", ("b",)], {"a": frozenset({"内核"})}, 1.0, None, RanOn])
def test_a_result_without_controls_is_not_copied(value: object) -> None:
    """Most results are clean, and some are large."""
    assert cleaned(value) is value


@pytest.mark.parametrize("terminal", [False, True])
def test_no_event_controls_the_terminal(*, terminal: bool) -> None:
    """Subjects, titles, scenarios and notes, in lines and in the live view."""
    content = io.StringIO()
    console = CleanConsole(file=content, width=300, force_terminal=terminal, color_system=None)
    progress = Progress(console, detail=Detail.NORMAL)
    with progress.shown():
        progress(StepStarted(hostile.TEXT, hostile.TEXT))
        progress(StepEnded(hostile.TEXT, hostile.TEXT, 1.0, "done"))
        progress(TrialEnded("old", hostile.TEXT, 1, 1, hostile.TEXT, 1.0))
        progress(Note(f"{hostile.TEXT} {hostile.LETTERS}", None))

    shown = content.getvalue()
    assert hostile.LETTERS in shown
    assert "\x1b[2J" not in shown
    assert "\x1b]" not in shown
    assert not set(shown) & set("\x07\x9b\u202e\u2066\u2028")
    assert "[link=file:///x]" in shown
    assert not [line for line in shown.split("\n") if line.strip().startswith(hostile.FORGED)]
