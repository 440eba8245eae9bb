"""Finds machines and scenarios by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from lab.catalogue.agent_files import with_files
from lab.catalogue.document import Model, read
from lab.catalogue.machine import Definition
from lab.catalogue.scenario import Scenario
from lab.foundation import near
from lab.foundation.errors import BadInput
from lab.foundation.language import N_

M = TypeVar("M", bound=Model)

PRODUCTS = "products"
"""The directory of scenarios that bring a program or a client along: packages are fetched only when one is named."""

FEW = 10
"""So many names fit into a message."""


def machines(directory: Path, names: Iterable[str]) -> list[Definition]:
    """Return the named machines without duplicates, in order; all machines without names.

    A name that ends in `.toml` is the path of the user's own definition.

    Raises:
        BadInput: a name is unknown (the error names those that are near), or a file is invalid.
    """
    return _find(_files(directory), names, Definition, N_("machine"), lambda machine, _: machine)


def scenarios(directory: Path, names: Iterable[str]) -> list[Scenario]:
    """Return the named scenarios without duplicates, in order; without names all but those of products.

    A name that ends in `.toml` is the path of the user's own scenario.

    Raises:
        BadInput: a name is unknown (the error names those that are near), or a file is invalid, or one that a product
            needs cannot be read.
    """
    named = list(names)
    files = {**_files(directory), **(_files(directory / PRODUCTS) if named else {})}
    return _find(files, named, Scenario, N_("scenario"), with_files)


def products(directory: Path) -> list[Scenario]:
    """Return the scenarios that bring a program or a client along.

    Raises:
        BadInput: a file is invalid, or one that a product needs cannot be read.
    """
    return _find(_files(directory / PRODUCTS), (), Scenario, N_("scenario"), with_files)


def _files(directory: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(directory.glob("*.toml"), key=_natural_key)}


def _find(
    files: Mapping[str, Path], names: Iterable[str], model: type[M], kind: str, complete: Callable[[M, Path], M]
) -> list[M]:
    models = []
    for name in list(dict.fromkeys(names)) or list(files):
        path = Path(name) if name.endswith(".toml") else files.get(name)
        if path is None:
            raise _unknown(kind, name, list(files))
        models.append(complete(read(path, model, name=path.stem), path))
    return models


def _unknown(kind: str, name: str, names: Sequence[str]) -> BadInput:
    """Return the error for an unknown name: with all names where they are few, else with the near ones."""
    if len(names) <= FEW:
        return BadInput(f"no {kind} is called '{name}'; there are: {', '.join(names)}", hint=near.hint(name, names))
    return BadInput(
        f"no {kind} is called '{name}'",
        hint=near.hint(name, names, near.MOST) or f"see all {len(names)}: lab list {kind}s",
    )


def _natural_key(path: Path) -> list[str | int]:
    """Return a sort key for natural order: 5ms before 20ms."""
    # Strings and numbers alternate, so that keys are comparable.
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.stem)]
