"""A look at JSON that remembers where in it each value stands, so that a page can name the source of every figure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup, escape


class View:
    """A value in a JSON document, and its place there.

    Args:
        value: The value.
        pointer: Its place (JSON Pointer, RFC 6901).
    """

    def __init__(self, value: Any, pointer: str = "") -> None:  # noqa: ANN401  whatever JSON has
        self.it = value
        self.pointer = pointer

    def __getitem__(self, key: str | int) -> View:
        """Give a member."""
        token = str(key).replace("~", "~0").replace("/", "~1")
        return View(self.it[key], f"{self.pointer}/{token}")

    def __iter__(self) -> Iterator[View]:
        """Give each element of a list, or each member of an object."""
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
        """Whether there is nothing."""
        return self.it is None


def figure(at: View, text: str) -> Markup:
    """Write a figure so that it can be traced to its place in the JSON.

    Args:
        at: The figure.
        text: How it is written.
    """
    return Markup('<data value="{}" data-at="{}">{}</data>').format(json.dumps(at.it), at.pointer, text)
