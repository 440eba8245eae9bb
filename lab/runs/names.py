"""Finds the run that a user names: by its name, the beginning of its name, or as the newest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from lab.foundation import near
from lab.foundation.errors import BadInput

NEWEST = "newest"
"""The name on the command line of the run that was made last."""

NAME = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$"
"""Pattern of the names of runs, machines, scenarios and raw files: no path separators, and not hidden."""

Name = Annotated[str, Field(pattern=NAME)]

LISTED = 10
"""Maximum number of names in a message."""


def choose(typed: str, names: Sequence[str]) -> str:
    """Return the name of the run that was typed.

    Args:
        typed: A name, an unambiguous beginning of a name, or "newest".
        names: The names of all runs, the newest first.

    Raises:
        BadInput: it matches no run, or several.
    """
    if typed in names:
        return typed
    if typed == NEWEST and names:
        return names[0]
    if not names and typed == NEWEST:
        raise BadInput("no run is stored yet", hint="start one: lab run --help")
    if not names:
        raise BadInput(f"no run is called '{typed}'; none is stored yet")
    fitting = [name for name in names if typed and name.startswith(typed)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise BadInput(f"'{typed}' is the beginning of several runs: {_listed(fitting)}", hint="type more of the name")
    raise BadInput(
        f"no run is called '{typed}'; there are: {_listed(names)}",
        hint=near.hint(typed, [*names, NEWEST]) or "see all: lab runs list",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
