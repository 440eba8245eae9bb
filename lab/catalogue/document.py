"""Reads a TOML file into a model and says in which line what is wrong."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from lab.errors import BadInput


class Model(BaseModel):
    """A frozen model that refuses what it does not know and converts nothing silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


M = TypeVar("M", bound=Model)


def read(path: Path, model: type[M], **given: str) -> M:
    """Read one TOML file.

    Args:
        path: The file.
        model: What it must hold.
        given: Fields that are known without the file, such as the name from the file's name.

    Raises:
        BadInput: it cannot be read, is not TOML, or does not fit; the message names file, line and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from error
    try:
        # As JSON, since pydantic's strict mode takes a string for an enum and a list for a tuple only there.
        return model.model_validate_json(json.dumps(_parsed(path, text) | given, default=str))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # Of a key that is wrong itself pydantic says so in brackets behind it.
        place = [part for part in first["loc"] if part != "[key]"]
        field = ".".join(str(part) for part in place) or "the file"
        raise BadInput(
            f"{path}:{line_of(text, place)}: {field}: {first['msg'][0].lower()}{first['msg'][1:]}",
            hint="compare it with the files beside it",
        ) from error


def line_of(text: str, field: Sequence[str | int]) -> int:
    """Give the line (from 1) of a TOML text that a field's path leads to, or the nearest one that it has.

    Args:
        text: A well-formed TOML document whose tables have headers of their own (`[a]`, `[[a]]`).
        field: Keys and list positions from the top, as pydantic gives them: names that the text does not have
            (pydantic adds those of a union's members) are passed over.
    """
    key = [str(part) for part in field if isinstance(part, str)]
    position = next((part for part in field if isinstance(part, int)), 0)
    table, nearest, seen = "", 1, -1
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line):
            table = header.group(1)
            if key and table == key[0]:
                seen += 1
                nearest = number if seen <= position else nearest
        elif assigned := re.match(r"\s*([\w-]+)\s*=", line):
            inside = (table == "" and len(key) == 1) or (bool(key) and table == key[0] and seen == position)
            if inside and assigned.group(1) == key[-1]:
                return number
    return nearest


def _parsed(path: Path, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = found.group(1) if found else len(text.splitlines())
        problem = re.sub(r" \(at .*\)$", "", str(error))
        raise BadInput(f"{path}:{line}: not TOML: {problem[0].lower()}{problem[1:]}") from error
