"""Extracts the messages of Python sources for translation, as an extraction method for Babel."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import IO

CALLS = frozenset({"step", "note", "progressed", "may", "line", "spoken", "N_"})
"""Functions whose first argument goes to the terminal."""

HEADINGS = frozenset({"fitting", "folding"})
"""Functions whose arguments are the headings of a table."""

ERRORS = frozenset({"BadInput", "BrokenEnvironment", "Cancelled"})
"""Errors whose messages and hints go to the terminal, like those of all classes named `...Error`."""

FIELDS = frozenset({"hint", "reason"})
"""Keyword arguments that are messages or parts of messages."""

LETTERS_LEAST = 2
"""A message with fewer letters is not translated."""


def extract(
    file: IO[bytes],
    keywords: Mapping[str, object],  # noqa: ARG001  the names and the number are Babel's
    tags: Collection[str],  # noqa: ARG001
    options: Mapping[str, str],
) -> Iterator[tuple[int, None, str, list[str]]]:
    """Yield a source's messages (Babel's interface for extraction methods).

    Args:
        file: The source.
        keywords: Not used.
        tags: Not used.
        options: With `returns`, every text that a function returns or yields is a message too.
    """
    tree = ast.parse(file.read())
    for node in ast.walk(tree):
        for text in _texts(node, returns=bool(options.get("returns"))):
            message = shape(text)
            if message and sum(letter.isalpha() for letter in message) >= LETTERS_LEAST:
                yield text.lineno, None, message, []


def _texts(node: ast.AST, *, returns: bool) -> Iterator[ast.expr]:
    """Yield the expressions of a node that are messages."""
    if isinstance(node, ast.Return | ast.Yield) and node.value is not None and returns:
        yield from _alternatives(node.value)
    if not isinstance(node, ast.Call):
        return
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    is_error = name in ERRORS or name.endswith("Error")
    given = node.args if name in HEADINGS else node.args[:1] if name in CALLS or is_error else []
    for text in (*given, *(keyword.value for keyword in node.keywords if keyword.arg in FIELDS)):
        yield from _alternatives(text)


def _alternatives(text: ast.expr) -> Iterator[ast.expr]:
    """Yield the possible values of an expression."""
    if isinstance(text, ast.IfExp):
        yield from _alternatives(text.body)
        yield from _alternatives(text.orelse)
    elif isinstance(text, ast.List | ast.Tuple):
        for each in text.elts:
            yield from _alternatives(each)
    else:
        yield text


def shape(text: ast.expr) -> str | None:
    """Return a text with `{0}`, `{1}` ... in place of its fields; None if the expression is not a text.

    Adjacent fields become one.
    """
    if isinstance(text, ast.Constant):
        return text.value if isinstance(text.value, str) else None
    if not isinstance(text, ast.JoinedStr):
        return None
    pieces: list[str] = []
    fields = 0
    for value in text.values:
        if isinstance(value, ast.Constant):
            pieces.append(str(value.value))
        elif not pieces or not pieces[-1].startswith("{"):
            pieces.append(f"{{{fields}}}")
            fields += 1
    return "".join(pieces)
