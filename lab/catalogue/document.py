"""Reads a TOML file into a model and says in which line what is wrong."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from lab.errors import BadInput

_KEY = r"(?:[\w-]+|\"[^\"]*\"|'[^']*')"
_HEADER = re.compile(rf"\s*(?P<array>\[\[?)\s*(?P<keys>{_KEY}(?:\s*\.\s*{_KEY})*)\s*\]")
_ASSIGNED = re.compile(rf"\s*(?P<keys>{_KEY}(?:\s*\.\s*{_KEY})*)\s*=")
_QUOTES = ('"""', "'''")


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
        text: A well-formed TOML document.
        field: Keys and list positions from the top, as pydantic gives them: names that the text does not have
            (pydantic adds those of a union's members) are passed over.
    """
    best, nearest = 0, 1
    for number, path in _places(text):
        shared = _shared(path, field)
        if shared > best:
            best, nearest = shared, number
    return nearest


def _places(text: str) -> Iterator[tuple[int, list[str | int]]]:
    """Give each line that begins a table or a key, with the path of what it begins."""
    table: list[str | int] = []
    counts: dict[tuple[str | int, ...], int] = {}
    string = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if string:
            # Inside a string of several lines nothing begins.
            string = "" if line.count(string) % 2 else string
            continue
        if header := _HEADER.match(line):
            table = _numbered(_keys(header["keys"]), counts, is_array=header["array"] == "[[")
            yield number, table
        elif assigned := _ASSIGNED.match(line):
            yield number, [*table, *_keys(assigned["keys"])]
        string = next((quotes for quotes in _QUOTES if line.count(quotes) % 2), "")


def _numbered(keys: Sequence[str], counts: dict[tuple[str | int, ...], int], *, is_array: bool) -> list[str | int]:
    """Give a header's path with the positions of the arrays of tables on its way."""
    path: list[str | int] = []
    for depth, key in enumerate(keys, start=1):
        path.append(key)
        if is_array and depth == len(keys):
            counts[*path] = counts.get((*path,), -1) + 1
        if (*path,) in counts:
            path.append(counts[*path])
    return path


def _keys(dotted: str) -> list[str]:
    return [key.strip().strip("\"'") for key in dotted.split(".")]


def _shared(path: Sequence[str | int], field: Sequence[str | int]) -> int:
    """Tell how much of a path leads to a field: nothing when it leads elsewhere."""
    rest = iter(field)
    leads = path[:1] == list(field[:1]) and all(any(key == part for part in rest) for key in path)
    return len(path) if leads else 0


def _parsed(path: Path, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = found.group(1) if found else len(text.splitlines())
        problem = re.sub(r" \(at .*\)$", "", str(error))
        raise BadInput(f"{path}:{line}: not TOML: {problem[0].lower()}{problem[1:]}") from error
