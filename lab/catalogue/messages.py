"""What scenarios say, for the translators: a way for Babel to read TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import IO

TRANSLATED = ("title", "shows")
"""The fields of a scenario that a reader reads."""


def extract(
    file: IO[bytes],
    keywords: Mapping[str, object],  # noqa: ARG001  the names and the number are Babel's
    tags: Collection[str],  # noqa: ARG001
    options: Mapping[str, object],  # noqa: ARG001
) -> Iterator[tuple[int, None, str, list[str]]]:
    """Give a scenario's texts as messages, each in one line (Babel's interface for extraction methods).

    Args:
        file: The scenario.
        keywords: Not needed: a scenario's fields are known.
        tags: Likewise.
        options: Likewise.
    """
    said = tomllib.loads(file.read().decode())
    for name in TRANSLATED:
        yield 1, None, in_one_line(said[name]), []


def in_one_line(text: str) -> str:
    """Give a text without its line breaks, which are the file's and not the sentence's."""
    return " ".join(text.split())
