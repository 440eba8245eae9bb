"""Finds machines and scenarios by the names people type."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from lab.catalogue.document import Model, read
from lab.catalogue.machine import Definition
from lab.catalogue.scenario import Scenario
from lab.errors import BadInput

M = TypeVar("M", bound=Model)


def machines(directory: Path, names: Iterable[str]) -> list[Definition]:
    """Give the machines of these names, each once, in the order given; all of them for no names.

    A name that ends in `.toml` is a file's path: that is how a machine of one's own is tried.

    Raises:
        BadInput: there is no machine of a name (the message lists those there are), or its file is wrong.
    """
    return _find(directory, names, Definition, "machine")


def scenarios(directory: Path, names: Iterable[str]) -> list[Scenario]:
    """Give the scenarios of these names, each once, in the order given; all of them for no names.

    A name that ends in `.toml` is a file's path: that is how a scenario of one's own is tried.

    Raises:
        BadInput: there is no scenario of a name (the message lists those there are), or its file is wrong.
    """
    return _find(directory, names, Scenario, "scenario")


def _find(directory: Path, names: Iterable[str], model: type[M], kind: str) -> list[M]:
    files = {path.stem: path for path in sorted(directory.glob("*.toml"), key=_by_numbers_too)}
    found = []
    for name in list(dict.fromkeys(names)) or list(files):
        path = Path(name) if name.endswith(".toml") else files.get(name)
        if path is None:
            raise BadInput(f"no {kind} is called '{name}'; there are: {', '.join(files)}", hint=_guess(name, files))
        found.append(read(path, model, name=path.stem))
    return found


def _by_numbers_too(path: Path) -> list[str | int]:
    """Order names as a person would: 5ms before 20ms."""
    # Every other part is a number, so that like is compared with like.
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.stem)]


def _guess(name: str, names: Iterable[str]) -> str | None:
    close: Sequence[str] = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean '{close[0]}'?" if close else None
