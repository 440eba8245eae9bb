"""Finds the steps of a lesson: the lab's own, and a trainer's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.catalogue.document import read
from lab.foundation import near
from lab.foundation.errors import BadInput
from lab.lesson.step import Step

OWN = Path(__file__).parent / "steps"
"""The lab's own steps, one file each."""


def find(own: Path, added: Path | None) -> tuple[Step, ...]:
    """Return the steps in the order of their files' names.

    Args:
        own: The directory with the lab's own steps.
        added: A directory with a trainer's; a file with the name of one of the lab's replaces it.

    Raises:
        BadInput: the directory has no step, or a step's file is wrong; the message names file, line and field.
    """
    files = {path.name: path for path in sorted(own.glob("*.toml"))}
    if added is not None:
        replacements = {path.name: path for path in sorted(added.glob("*.toml"))} if added.is_dir() else {}
        if not replacements:
            raise BadInput(f"{added} has no steps", hint="a step is a file NN-NAME.toml: docs/guides/lesson.md")
        files |= replacements
    return tuple(read(path, Step, name=path.stem) for _, path in sorted(files.items()))


def position(steps: Sequence[Step], name: str) -> int:
    """Return the place, from 0, of the step with this number in the lesson, this name, or this name without its number.

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
    numbered = ", ".join(f"{number} {name}" for number, name in enumerate(plain, start=1))
    raise BadInput(f"no step is called '{name}'; there are: {numbered}", hint=near.hint(name, plain))
