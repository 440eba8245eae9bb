"""Commands of the documents that need machines, in one lab, in the order in which a person types them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents.compare import difference
from tests.documents.kinds import IN_A_GUEST, Kind, commands_of, line, verb
from tests.documents.material import write_files
from tests.documents.read import Command, words
from tests.documents.run import expanded
from tests.guest.conftest import TestLab
from tests.guest.test_kernels import debs, fetch, needed_by

__all__ = ["debs"]

FEW = ("-n", "1")
"""Added to commands that make trials: how many is not what a document is about. The last one given counts."""


def order(command: Command) -> int:
    """Return when a command is run: machines first, what needs the added kernel behind its addition."""
    typed = words(command.steps[0])
    place = IN_A_GUEST.index(verb(typed))
    return IN_A_GUEST.index("classify") if "--kernel" in typed else place


TRACED = "--evidence"
"""On a busy host a traced trial may be slow enough to be judged otherwise. test_evidence.py tests how such trials
end, and runs alone."""

IN_ORDER: list[Command] = sorted(commands_of(Kind.GUEST), key=order)


@pytest.fixture(scope="module")
def prepared(shared: TestLab, debs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    """Return a lab with all machines up, in a directory with the files that the documents name."""
    directory = tmp_path_factory.mktemp("documents")
    write_files(directory)
    for package in fetch(debs, needed_by("linux-image-cloud-amd64", "linux-image-6.1")):
        shutil.copy(package, directory)
    shared.directory = directory
    shared.well("up")
    yield shared
    shared.directory = None


@pytest.mark.parametrize("command", IN_ORDER, ids=line)
def test_a_command_of_the_documents_works(prepared: TestLab, command: Command) -> None:
    """It succeeds: every trial is as its scenario expects, and the output is what the document shows.

    But for the second to which stalls are rounded: a busy host adds to it.
    """
    for step in command.steps:
        typed = expanded(words(step), prepared.directory or Path())
        makes_trials = typed[0] in {"run", "sweep"} and command.output is None
        done = prepared.run(*typed, *(FEW if makes_trials else ()))
        assert done.status in ((0, 1) if TRACED in typed else (0,)), f"{command.place}: {step}: {done.err}{done.out}"
    if command.output is not None:
        wrong = difference(command.output, re.sub(r"stalled about \d s", "stalled about 5 s", done.out))
        assert wrong is None, f"{command.place}: {wrong}"
