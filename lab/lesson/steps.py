"""Finds the steps of a lesson: the lab's own, and those that a trainer adds."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from lab.catalogue.document import read
from lab.errors import BadInput
from lab.lesson.step import Step

OWN = Path(__file__).parent / "steps"
"""The lab's own steps, a file each."""


def find(own: Path, added: Path | None) -> tuple[Step, ...]:
    """Give the steps in the order of their files' names.

    Args:
        own: The directory with the lab's own steps.
        added: A directory with a trainer's: one whose file is called as one of the lab's stands in its place.

    Raises:
        BadInput: the directory has no step, or a step's file is wrong; the message names file, line and field.
    """
    files = {path.name: path for path in sorted(own.glob("*.toml"))}
    if added is not None:
        theirs = {path.name: path for path in sorted(added.glob("*.toml"))} if added.is_dir() else {}
        if not theirs:
            raise BadInput(f"{added} has no steps", hint="a step is a file there, NN-NAME.toml; see README.md")
        files |= theirs
    return tuple(read(path, Step, name=path.stem) for _, path in sorted(files.items()))


def position(steps: Sequence[Step], name: str) -> int:
    """Give the place, from 0, of the step that people call so: by its number in the lesson, its name, or a part of it.

    Raises:
        BadInput: there is no such step.
    """
    if name.isascii() and name.isdigit() and 1 <= int(name) <= len(steps):
        return int(name) - 1
    names = [step.name for step in steps]
    plain = [step.partition("-")[2] for step in names]
    for known in (names, plain):
        if name in known:
            return known.index(name)
    close = difflib.get_close_matches(name, plain, n=1)
    numbered = ", ".join(f"{number} {name}" for number, name in enumerate(plain, start=1))
    raise BadInput(
        f"no step is called '{name}'; there are: {numbered}", hint=f"did you mean '{close[0]}'?" if close else None
    )
