"""A view of JSON that knows each value's JSON Pointer, so that every figure on a page can be traced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup, escape


class View:
    """A value in a JSON document, with its JSON Pointer.

    Args:
        value: The value.
        pointer: Its JSON Pointer (RFC 6901).
    """

    def __init__(self, value: Any, pointer: str = "") -> None:  # noqa: ANN401  any JSON value
        self.it = value
        self.pointer = pointer

    def __getitem__(self, key: str | int) -> View:
        """Return a member."""
        token = str(key).replace("~", "~0").replace("/", "~1")
        return View(self.it[key], f"{self.pointer}/{token}")

    def __iter__(self) -> Iterator[View]:
        """Yield each element of a list, or each member of an object."""
        keys = self.it if isinstance(self.it, dict) else range(len(self.it))
        return (self[key] for key in keys)

    def __contains__(self, key: object) -> bool:
        return key in self.it

    def __len__(self) -> int:
        return len(self.it)

    def __bool__(self) -> bool:
        return bool(self.it)

    def __eq__(self, other: object) -> bool:
        return bool(self.it == (other.it if isinstance(other, View) else other))

    def __hash__(self) -> int:
        return hash(self.pointer)

    def __str__(self) -> str:
        return str(self.it)

    def __html__(self) -> str:
        return str(escape(str(self.it)))

    @property
    def is_none(self) -> bool:
        """Whether the value is null."""
        return self.it is None


def figure(at: View, text: str) -> Markup:
    """Format a figure with its JSON Pointer.

    Args:
        at: The figure.
        text: Its text.
    """
    return Markup('<data value="{}" data-at="{}">{}</data>').format(json.dumps(at.it), at.pointer, text)
