"""Incidents to solve from stored evidence, read from TOML files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from lab.catalogue.document import Model, read
from lab.foundation import near
from lab.foundation.errors import BadInput
from lab.judgement.sightings import Stage
from lab.lesson.step import Pattern, Wording

OWN = Path(__file__).parent / "mysteries"
"""A directory each: `mystery.toml`, and `evidence/` with the raw files of its trial."""

File = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,60}$")]


class Tool(Model):
    """A tool to choose.

    Attributes:
        name: Its name, a few words.
        line: The command line of it.
        source: The raw file that it shows, or several, each shown under its name.
        only: A regular expression for the lines that are shown; None for all.
        mark: Regular expressions for the decisive parts.
        tells: What the output shows, and what it does not.
        fact: The fact that follows, in a sentence.
        decides: Whether it shows where the packet is.
    """

    name: Wording
    line: Annotated[str, Field(min_length=1)]
    source: File | Annotated[tuple[File, ...], Field(min_length=2)]
    only: Pattern | None = None
    mark: tuple[Pattern, ...] = ()
    tells: Wording
    fact: Wording
    decides: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The raw files that it shows."""
        return (self.source,) if isinstance(self.source, str) else self.source


class Suspect(Model):
    """A place where the packet may be.

    Attributes:
        place: The place.
        because: Why it is there, or why not.
        right: Whether it is there.
    """

    place: Wording
    because: Wording
    right: bool = False


class Mystery(Model):
    """An incident.

    Attributes:
        name: What people type: the directory's name.
        title: Its title, a few words.
        story: What happened, and what is asked.
        scenario: The scenario that its trial is judged as.
        known: The first known fact, in a sentence.
        lost_at: Where its one lost query was lost; None when no query was.
        tool: The tools.
        place: The places to choose from.
        solution: What happened.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,60}$")]
    title: Wording
    story: Wording
    scenario: str
    known: Wording
    lost_at: Stage | None = None
    tool: Annotated[tuple[Tool, ...], Field(min_length=2, max_length=8)]
    place: Annotated[tuple[Suspect, ...], Field(min_length=2, max_length=9)]
    solution: Wording

    @model_validator(mode="after")
    def _can_be_solved(self) -> Self:
        if sum(place.right for place in self.place) != 1:
            raise ValueError("one place is right, and says so: right = true")
        if not any(tool.decides for tool in self.tool):
            raise ValueError("at least one tool decides, and says so: decides = true")
        return self

    @property
    def right(self) -> int:
        """The number of the right place, from 1."""
        return next(number for number, place in enumerate(self.place, start=1) if place.right)


def find(directory: Path) -> dict[str, tuple[Mystery, Path]]:
    """Return each incident with the directory of its evidence, by name.

    Raises:
        BadInput: a file is wrong; the message names file, line and field.
    """
    files = sorted(directory.glob("*/mystery.toml"))
    return {path.parent.name: (read(path, Mystery, name=path.parent.name), path.parent / "evidence") for path in files}


def get(directory: Path, name: str) -> tuple[Mystery, Path]:
    """Return one incident with the directory of its evidence.

    Raises:
        BadInput: there is none of that name.
    """
    incidents = find(directory)
    if name not in incidents:
        raise BadInput(
            f"no incident is called '{name}'; there are: {', '.join(incidents)}",
            hint=near.hint(name, incidents),
        )
    return incidents[name]
