"""What a lesson showed, kept in its run's directory: what a handout is made of, and where a lesson can go on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from lab.catalogue.document import Model
from lab.errors import BadInput
from lab.files import write_whole
from lab.lesson.marks import MarkedLine
from lab.lesson.words import Words
from lab.store import Run, RunStore

SCHEMA: Literal[1] = 1
"""Goes up when a stored lesson changes in a way that an older lab would misread."""

FILE = "lesson.json"


class Looked(Model):
    """What a command had to show, and whether it did."""

    says: Words
    holds: bool


class Shown(Model):
    """A command that was run.

    Attributes:
        line: As it was typed.
        lines: What it printed, with the telling parts marked.
        looked: What it had to show.
    """

    line: str
    lines: tuple[MarkedLine, ...]
    looked: tuple[Looked, ...]


class Walked(Model):
    """A step that was walked.

    Attributes:
        shown: Its commands.
        values: What stood in place of the fields in its texts.
    """

    shown: tuple[Shown, ...]
    values: dict[str, str]

    @property
    def holds(self) -> bool:
        """Whether it showed all that it must."""
        return all(looked.holds for shown in self.shown for looked in shown.looked)


class Record(Model):
    """A lesson.

    Attributes:
        schema_version: The version of this format.
        run: The run that all it shows is of.
        walked: Its steps, by name.
    """

    schema_version: Literal[1]
    run: str
    walked: dict[str, Walked]


def begun(run_id: str) -> Record:
    """Give the record of a lesson that has shown nothing yet."""
    return Record(schema_version=SCHEMA, run=run_id, walked={})


def store(runs: RunStore, record: Record) -> Path:
    """Keep a record; gives its file."""
    path = runs.path(runs.get(record.run)) / FILE
    write_whole(path, record.model_dump_json(indent=1))
    return path


def newest(runs: RunStore) -> tuple[Run, Record] | None:
    """Give the newest lesson with its run; None when none was held.

    Raises:
        BadInput: it cannot be read.
    """
    for run in runs.newest_first():
        path = runs.path(run) / FILE
        if path.exists():
            return run, _read(path)
    return None


def _read(path: Path) -> Record:
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BadInput(
            f"{path} cannot be read as a lesson: {error.errors()[0]['msg']}",
            hint="it is damaged, or another version of the lab wrote it",
        ) from error
