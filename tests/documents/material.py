"""What the commands of the documents are run on: a lab with recorded runs, and files of the names that people type."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.diagnosis import samples
from tests import stored_runs
from tests.documents.read import Block, blocks, documents
from tests.twins import REAL
from tests.unit.classroom import Remembering
from tests.unit.test_lesson_walk import ON_OLD, held, session_with

OWN_SCENARIO = "mine.toml"


@dataclass(frozen=True)
class Material:
    """Where the commands are run.

    Attributes:
        home: A lab with recorded runs.
        directory: The working directory.
    """

    home: Path
    directory: Path


def prepare(place: Path) -> Material:
    """Store a lesson, the real kernels' run and a newest run of replicas, and write the files."""
    home, directory = place / "home", place / "directory"
    home.mkdir()
    directory.mkdir()
    held(session_with(home, old="old-nfqueue"), Remembering(), ON_OLD)
    shutil.copytree(REAL, home / "runs" / "20261128T234653Z")
    stored_runs.at(home).run(("old-baseline", "old-nfqueue", "new-nfqueue", "today-nfqueue"))
    write_files(directory)
    return Material(home, directory)


def write_files(directory: Path) -> None:
    """Write the files that the documents name: the samples of `lab diagnose`, and the worked scenario."""
    own = Path(samples.__file__).parent
    shutil.copytree(own, directory / "diagnose-example", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name in ("this-bug", "pod", "another-cause"):
        shutil.copytree(own / name, directory / name)
    for path in (own / "this-bug").iterdir():
        shutil.copy(path, directory)
    shutil.copy(own / "pod" / "pod.pcap", directory)
    (directory / OWN_SCENARIO).write_text(scenario().text)


def scenario() -> Block:
    """Return the worked example of a scenario."""
    return next(block for block in toml() if "scenario-reference" in block.place and "[[step]]" in block.text)


def toml() -> list[Block]:
    """Return all TOML blocks of the documents."""
    return [block for path in documents() for block in blocks(path) if block.language == "toml"]
