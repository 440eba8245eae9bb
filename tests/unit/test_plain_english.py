"""The project's language: words to avoid do not occur in code, comments, help, messages and documents."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.foundation.home import PROJECT

AVOIDED = (
    "t[o]ld",
    "s[a]id",
    "n[o]body",
    "l[i]kewise",
    "wh[o]ever",
    "of its [o]wn",
    "how-m[a]nieth",
    "goes on fr[o]m",
    "in the m[i]ddle of",
    "that t[e]lls",
    "is of er[a]",
)
"""Each with one letter in brackets: such a pattern matches the word, and this file does not match itself."""

DOCSTRING = re.compile(r"\s*[G]ives?\b")
"""A docstring names what a function does or returns."""

SEARCHED = ("lab", "provision", "scenarios", "tests", "docs", "*.md", "Vagrantfile.j2", "Makefile")
"""Directories and files of the project, as patterns."""

RECORDED = ("tests/evidence", "tests/btf", "tests/looks")
"""Recorded data and output of other programs."""

TRANSLATIONS = ("lab/locale",)
"""Messages in other languages, and the English ones that they repeat."""


def pattern_of(avoided: str) -> re.Pattern[str]:
    """Return a pattern for whole words, which matches inside of names and across lines, too."""
    between = r"[\s_*#/\"']+"
    words = avoided.replace("-", r"[-_\s]").split(" ")
    return re.compile(rf"(?<![a-z]){between.join(words)}(?![a-z])", re.IGNORECASE)


def plain(avoided: str) -> str:
    """Return the words themselves."""
    return avoided.replace("[", "").replace("]", "")


def files_of(project: Path) -> Iterator[Path]:
    """Yield the project's own text files, each once."""
    exempt = tuple(project / name for name in (*RECORDED, *TRANSLATIONS))
    for pattern in SEARCHED:
        for top in sorted(project.glob(pattern)):
            for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                if path.is_file() and not any(parent in exempt for parent in path.parents):
                    yield path


def docstrings_of(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring of a Python file."""
    if path.suffix != ".py":
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            if docstring is not None:
                yield node.body[0].lineno, docstring


PATTERNS = {avoided: pattern_of(avoided) for avoided in AVOIDED}


def words_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line of each occurrence of words to avoid, and the words."""
    for avoided, pattern in PATTERNS.items():
        for match in pattern.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, plain(avoided)


def hits_of(project: Path) -> list[str]:
    """Return each hit as file:line and word."""
    hits = []
    for path in files_of(project):
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # a build product
        name = path.relative_to(project)
        hits += [f"{name}:{line}: {word}" for line, word in words_in(text)]
        hits += [
            f"{name}:{line}: docstring begins with {docstring.split()[0]}"
            for line, docstring in docstrings_of(path, text)
            if DOCSTRING.match(docstring)
        ]
    return hits


def test_words_to_avoid_do_not_occur() -> None:
    """A reader of the field meets its own words; see "Language" among the rules for contributors."""
    hits = hits_of(PROJECT)

    assert not hits, "\n".join(["words to avoid:", *hits])


@pytest.mark.parametrize("avoided", AVOIDED)
def test_a_word_to_avoid_is_detected_with_its_line(tmp_path: Path, avoided: str) -> None:
    """It is found at a line's end, in a name, and across lines; longer words that contain it are not."""
    word = plain(avoided)
    name = word.replace(" ", "_").replace("-", "_")
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "a.sh").write_text(f"# Good.\n# This is {word}\n{name.upper()}_1=x{word}x\n")
    (tmp_path / "a.md").write_text("Good.\n{}\n".format(word.title().replace(" ", "\n")))

    assert hits_of(tmp_path) == [f"lab/a.sh:2: {word}", f"lab/a.sh:3: {word}", f"a.md:2: {word}"]


@pytest.mark.parametrize("first", ["[G]ive", "[G]ives"])
def test_a_docstring_that_hands_over_instead_of_returning_is_detected(tmp_path: Path, first: str) -> None:
    """The first word counts; elsewhere the verb is fine."""
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "a.py").write_text(
        f'def one():\n    """{plain(first)} it."""\n\n\ndef two():\n    """They {plain(first)} it."""\n'
    )

    assert hits_of(tmp_path) == [f"lab/a.py:2: docstring begins with {plain(first)}"]


def test_recorded_data_and_translations_are_exempt_by_path(tmp_path: Path) -> None:
    """They repeat what other programs and people wrote."""
    for directory in (*RECORDED, *TRANSLATIONS):
        (tmp_path / directory / "deep").mkdir(parents=True)
        (tmp_path / directory / "deep" / "a.txt").write_text(plain(AVOIDED[0]))

    assert hits_of(tmp_path) == []
