"""Replaces characters in untrusted text that would control a terminal or are invalid in a report.

Two functions are for text. The third is for a whole result, in which each name and each message stays on one line.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_STEERS = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, such as the first character of an escape sequence
    "\xad\u061c\u180e\u200b\u200e\u200f\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, or change the writing direction
    "\u2028-\u202e"  # line and paragraph separators, and marks of the writing direction
    "\ud800-\udfff"  # lone surrogates: bytes of a file name that are not UTF-8
    "\ue000-\uf8ff\U000f0000-\U0010ffff"  # private use
    "\ufffe\uffff"  # not characters, and invalid in XML
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001-\U000e007f"  # invisible: of shorthand, of music, tags
    "]"
)
"""Joiners (U+200C, U+200D) and variation selectors stay: words of many languages and emoji need them."""


def printable(text: str) -> str:
    r"""Return a text on one line: `\n` for a line feed, `?` for each other character that would control a terminal."""
    return text if text.isascii() and text.isprintable() else printable_lines(text).replace("\n", r"\n")


def printable_lines(text: str) -> str:
    """Return a text of several lines, with `?` for each character that would control a terminal."""
    return _STEERS.sub("?", text)


def cleaned(data: T) -> T:
    """Return a result or an event in which each text and each path is on one line, and printable.

    Args:
        data: Dataclasses, models, mappings, sequences and sets; other objects are not changed.
    """
    result: T = _cleaned(data)
    return result


def _cleaned(value: Any) -> Any:  # noqa: ANN401  any part of a result
    match value:
        case Enum():
            return value
        case str():
            return printable(value)
        case Path():
            text = str(value)
            return value if (shown := printable(text)) == text else Path(shown)
        case dict():
            return _dictionary(value)
        case list() | tuple() | set() | frozenset():
            return _collection(value)
        case _:
            return _object(value)


def _collection(value: Any) -> Any:  # noqa: ANN401  a list, a tuple, a set, each of any type
    parts = [_cleaned(part) for part in value]
    if all(part is before for part, before in zip(parts, value, strict=True)):
        return value
    return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)


def _dictionary(value: dict[Any, Any]) -> dict[Any, Any]:
    members = [(_cleaned(name), _cleaned(member)) for name, member in value.items()]
    if all(
        one is name and other is member for (one, other), (name, member) in zip(members, value.items(), strict=True)
    ):
        return value
    result = copy.copy(value)  # of the same type, such as a Counter
    result.clear()
    for name, member in members:  # a Counter's own update would count them
        result[name] = member
    return result


def _object(value: Any) -> Any:  # noqa: ANN401  a dataclass, a model, or what has no texts to clean
    result = value
    for name in _fields(value):
        before = getattr(value, name)
        if (part := _cleaned(before)) is not before:
            result = copy.copy(value) if result is value else result
            object.__setattr__(result, name, part)  # the copy is frozen, too
    return result


def _fields(value: object) -> list[str]:
    """Return the names of an object's fields, if it is a dataclass or one of pydantic's models."""
    if isinstance(value, type):
        return []
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    return list(vars(value)) if hasattr(value, "model_fields_set") else []
