"""Reads a TOML file into a model; errors name line and field."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from lab.foundation.errors import BadInput

# The lab has no plugins of pydantic's; looking for some among the installed packages takes longer than `lab status`.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

_KEY = r"(?:[\w-]+|\"[^\"]*\"|'[^']*')"
_HEADER = re.compile(rf"\s*(?P<array>\[\[?)\s*(?P<keys>{_KEY}(?:\s*\.\s*{_KEY})*)\s*\]")
_ASSIGNED = re.compile(rf"\s*(?P<keys>{_KEY}(?:\s*\.\s*{_KEY})*)\s*=")
_QUOTES = ('"""', "'''")


class Model(BaseModel):
    """A frozen model that rejects unknown fields and converts nothing silently."""

    # Built when the first one is read: a command reads files of two or three of some forty models.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


M = TypeVar("M", bound=Model)


def read(path: Path, model: type[M], **given: str) -> M:
    """Read one TOML file into a model.

    Args:
        path: The file.
        model: The model of its content.
        given: Additional fields, such as the name from the file's name.

    Raises:
        BadInput: the file cannot be read, is not TOML, or does not fit; the message names file, line and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: cannot be read: {error}") from error
    try:
        # As JSON: only there pydantic's strict mode accepts a string for an enum and a list for a tuple.
        return model.model_validate_json(json.dumps(_parse(path, text) | given, default=str))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # pydantic marks an invalid key with "[key]" after it.
        place = [part for part in first["loc"] if part != "[key]"]
        field = ".".join(str(part) for part in place) or "the file"
        raise BadInput(
            f"{path}:{line_of(text, place)}: {field}: {first['msg'][0].lower()}{first['msg'][1:]}",
            hint="compare it with the other files of its directory",
        ) from error


def line_of(text: str, field: Sequence[str | int]) -> int:
    """Return the line (from 1) of a field in a TOML text, or of its nearest parent.

    Args:
        text: A well-formed TOML document.
        field: Keys and list positions from the top, as in pydantic's errors; names that are not in the text, such as
            those of a union's members, are skipped.
    """
    best, nearest = 0, 1
    for number, path in _places(text):
        shared = _count_shared(path, field)
        if shared > best:
            best, nearest = shared, number
    return nearest


def _places(text: str) -> Iterator[tuple[int, list[str | int]]]:
    """Yield each line that begins a table or a key, with its path."""
    table: list[str | int] = []
    counts: dict[tuple[str | int, ...], int] = {}
    string = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if string:
            # Skip the lines of a multi-line string.
            string = "" if line.count(string) % 2 else string
            continue
        if header := _HEADER.match(line):
            table = _array_path(_keys(header["keys"]), counts, is_array=header["array"] == "[[")
            yield number, table
        elif assigned := _ASSIGNED.match(line):
            yield number, [*table, *_keys(assigned["keys"])]
        string = next((quotes for quotes in _QUOTES if line.count(quotes) % 2), "")


def _array_path(keys: Sequence[str], counts: dict[tuple[str | int, ...], int], *, is_array: bool) -> list[str | int]:
    """Return a header's path including positions in arrays of tables."""
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


def _count_shared(path: Sequence[str | int], field: Sequence[str | int]) -> int:
    """Return the length of a path that leads to a field; 0 when it leads elsewhere."""
    rest = iter(field)
    leads = path[:1] == list(field[:1]) and all(any(key == part for part in rest) for key in path)
    return len(path) if leads else 0


def _parse(path: Path, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        position = re.search(r"\(at line (\d+)", str(error))
        line = position.group(1) if position else len(text.splitlines())
        problem = re.sub(r" \(at .*\)$", "", str(error))
        raise BadInput(f"{path}:{line}: not TOML: {problem[0].lower()}{problem[1:]}") from error
