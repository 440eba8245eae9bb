"""Breaks lines by terminal columns; wide characters take two."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_NOT_FIRST = "。，、；：？！）》」』】”’%,.;:?!)]}"  # noqa: RUF001  full-width on purpose
"""Characters that never begin a line."""
_NOT_LAST = "（《「『【“‘([{"  # noqa: RUF001  full-width on purpose
"""Characters that never end a line."""

_PIECES = re.compile(
    r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60]|\s+|[^\s,\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60]+,?|,"
)


def columns(text: str) -> int:
    """Return the number of columns of a text (Unicode Standard Annex 11: wide and full-width characters take two)."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def breaks(text: str, first: int, rest: int) -> list[int]:
    """Return the positions at which a line of text is broken so that its parts fit.

    Latin text is broken between words and after commas, Chinese between characters; punctuation stays with its word. A
    word that is too long is broken at the end of the line.

    Args:
        text: The text, without line ends.
        first: Columns available for the first part.
        rest: Columns available for each other part.
    """
    positions: list[int] = []
    left, at = first, 0
    for piece in _unbreakable(text):
        wide = columns(piece.rstrip())
        if wide > left and at and (not positions or positions[-1] != at):
            positions.append(at)
            left = rest
        at += len(piece)
        if wide <= left:
            left -= columns(piece)
            continue
        # Too long for any line.
        start = at - len(piece)
        for place, character in enumerate(piece, start=start):
            if _columns(character) > left:
                positions.append(place)
                left = rest
            left -= _columns(character)
    return positions


def _unbreakable(text: str) -> Iterator[str]:
    """Yield the pieces between which a line may be broken, each with the spaces after it."""
    piece = ""
    for match in _PIECES.finditer(text):
        token = match[0]
        if token.isspace():
            yield piece + token
            piece = ""
            continue
        if piece and token[0] not in _NOT_FIRST and piece[-1] not in _NOT_LAST:
            yield piece
            piece = ""
        piece += token
    if piece:
        yield piece
