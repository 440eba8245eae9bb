"""The record of a lesson in its run's directory, for handouts and for resuming the lesson."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from lab.catalogue.document import Model
from lab.foundation import regular
from lab.foundation.errors import BadInput
from lab.foundation.files import write_whole
from lab.lesson.marks import MarkedLine
from lab.lesson.words import Words
from lab.runs.names import NEWEST
from lab.runs.run import Run
from lab.runs.store import RunStore

SCHEMA: Literal[1] = 1
"""Goes up when a stored lesson changes in a way that an older lab would misread."""

FILE = "lesson.json"


class Looked(Model):
    """Something that a command had to show, and whether it did."""

    says: Words
    holds: bool


class RecordedCommand(Model):
    """A command that was run.

    Attributes:
        line: The command line.
        lines: Its output, with the decisive parts marked.
        looked: What it had to show.
    """

    line: str
    lines: tuple[MarkedLine, ...]
    looked: tuple[Looked, ...]


class Walked(Model):
    """A step that was walked.

    Attributes:
        shown: Its commands.
        values: The values of the fields in its texts.
    """

    shown: tuple[RecordedCommand, ...]
    values: dict[str, str]

    @property
    def holds(self) -> bool:
        """Whether it showed everything that it must."""
        return all(looked.holds for shown in self.shown for looked in shown.looked)


class Record(Model):
    """A lesson.

    Attributes:
        schema_version: The version of this format.
        run: The run that everything shown comes from.
        walked: Its steps, by name.
    """

    schema_version: Literal[1]
    run: str
    walked: dict[str, Walked]


def begun(run_id: str) -> Record:
    """Return the record of a lesson that has shown nothing yet."""
    return Record(schema_version=SCHEMA, run=run_id, walked={})


def store(runs: RunStore, record: Record) -> Path:
    """Store a record; return its file."""
    path = runs.path(runs.get(record.run)) / FILE
    write_whole(path, record.model_dump_json(indent=1))
    return path


def find(runs: RunStore, typed: str | None) -> tuple[Run, Record] | None:
    """Return a lesson with its run.

    Args:
        runs: The stored runs.
        typed: The run, as typed; None for the newest lesson, which is None when none was held.

    Raises:
        BadInput: there is no such run, it is none of a lesson, or its record cannot be read.
    """
    if typed is not None and typed != NEWEST:
        run = runs.get(typed)
        path = runs.path(run) / FILE
        if not path.exists():
            raise BadInput(f"run {run.id} is not of a lesson", hint="the newest lesson is used without --run")
        return run, _read(path)
    for run in runs.newest_first():
        path = runs.path(run) / FILE
        if path.exists():
            return run, _read(path)
    return None


def _read(path: Path) -> Record:
    try:
        return Record.model_validate_json(regular.read(path))
    except (OSError, ValidationError) as error:
        problem = str(error) if isinstance(error, OSError) else error.errors()[0]["msg"]
        raise BadInput(
            f"{path} cannot be read as a lesson: {problem}",
            hint="it is damaged, or another version of the lab wrote it",
        ) from error
