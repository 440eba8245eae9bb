"""Incidents to be solved from stored evidence, as their TOML files give them."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from lab.catalogue.document import Model, read
from lab.errors import BadInput
from lab.lesson.step import Pattern, Said
from lab.sightings import Stage

OWN = Path(__file__).parent / "mysteries"
"""A directory each: `mystery.toml`, and `evidence/` with the raw files of the trial that it tells of."""

File = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,60}$")]


class Tool(Model):
    """Something to reach for.

    Attributes:
        name: Which it is, in a few words.
        line: What is typed for it.
        source: The raw file that has what it shows, or several, which are shown below each other's names.
        only: Which of its lines are shown; all of them for None.
        mark: The telling parts.
        tells: What that shows, and what it does not.
        fact: What is known then, in a sentence.
        decides: Whether it shows where the packet is.
    """

    name: Said
    line: Annotated[str, Field(min_length=1)]
    source: File | Annotated[tuple[File, ...], Field(min_length=2)]
    only: Pattern | None = None
    mark: tuple[Pattern, ...] = ()
    tells: Said
    fact: Said
    decides: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The raw files that have what it shows."""
        return (self.source,) if isinstance(self.source, str) else self.source


class Place(Model):
    """Where the packet may be.

    Attributes:
        place: The place.
        because: Why it is there, or why not.
        right: Whether it is.
    """

    place: Said
    because: Said
    right: bool = False


class Mystery(Model):
    """An incident.

    Attributes:
        name: What people type: the directory's name.
        title: In a few words.
        story: What happened, and what is asked.
        scenario: The scenario that its trial is judged as.
        known: What is known at the beginning, in a sentence.
        lost_at: Where its one lost query was lost; None when none was.
        tool: What one may reach for.
        place: Where the packet may be.
        solution: What happened.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,60}$")]
    title: Said
    story: Said
    scenario: str
    known: Said
    lost_at: Stage | None = None
    tool: Annotated[tuple[Tool, ...], Field(min_length=2, max_length=8)]
    place: Annotated[tuple[Place, ...], Field(min_length=2, max_length=9)]
    solution: Said

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
    """Give each incident with the directory of its evidence, by name.

    Raises:
        BadInput: a file is wrong; the message names file, line and field.
    """
    files = sorted(directory.glob("*/mystery.toml"))
    return {path.parent.name: (read(path, Mystery, name=path.parent.name), path.parent / "evidence") for path in files}


def get(directory: Path, name: str) -> tuple[Mystery, Path]:
    """Give one incident with the directory of its evidence.

    Raises:
        BadInput: there is none of that name.
    """
    found = find(directory)
    if name not in found:
        close = difflib.get_close_matches(name, found, n=1)
        raise BadInput(
            f"no incident is called '{name}'; there are: {', '.join(found)}",
            hint=f"did you mean '{close[0]}'?" if close else None,
        )
    return found[name]
