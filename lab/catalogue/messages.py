"""Babel's extraction method for the texts of scenarios, workarounds and machines."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import IO

TRANSLATED = ("title", "shows", "costs")
"""The translated fields of a file or of a table in it."""


def extract(
    file: IO[bytes],
    keywords: Mapping[str, object],  # noqa: ARG001  Babel's signature
    tags: Collection[str],  # noqa: ARG001
    options: Mapping[str, object],  # noqa: ARG001
) -> Iterator[tuple[int, None, str, list[str]]]:
    """Yield a TOML file's texts as messages, each in one line (Babel's interface for extraction methods).

    Args:
        file: The file.
        keywords: Not used.
        tags: Not used.
        options: Not used.
    """
    document = tomllib.loads(file.read().decode())
    for table in (document, *(value for value in document.values() if isinstance(value, dict))):
        for name in TRANSLATED:
            if name in table:
                yield 1, None, join_lines(table[name]), []


def join_lines(text: str) -> str:
    """Return a text without the line breaks of its file."""
    return " ".join(text.split())
