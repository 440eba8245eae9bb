"""Run a command of the documents that needs no machine, and compare what it prints."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

from tests.command_line import lab
from tests.documents.compare import difference
from tests.documents.material import Material
from tests.documents.read import Command, words

COLUMNS = "100"
"""The width of the outputs in the documents."""

NO_CERTAIN_ANSWER = {"diagnose": (0, 1), "compare": (0, 1)}
"""Verbs whose exit status 1 is an answer, and no failure."""


def run(command: Command, material: Material) -> None:
    """Run a command on recorded trials; it must succeed, and print what the document shows."""
    for step in command.steps:
        done = _run(step, material)
        assert done.returncode in NO_CERTAIN_ANSWER.get(words(step)[0], (0,)), f"{command.place}: {step}: {done.stderr}"
    if command.output is not None:
        wrong = difference(command.output, done.stdout)
        assert wrong is None, f"{command.place}: {command.line}: {wrong}"


def _run(step: str, material: Material) -> CompletedProcess[str]:
    return lab(material.home, *expanded(words(step), material.directory), directory=material.directory, COLUMNS=COLUMNS)


def expanded(typed: list[str], directory: Path) -> list[str]:
    """Return the words as a shell would pass them on: patterns become the files of a directory that match."""
    files = {
        word: sorted(str(path.relative_to(directory)) for path in directory.glob(word)) for word in typed if "*" in word
    }
    return [part for word in typed for part in files.get(word) or [word]]
