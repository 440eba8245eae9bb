"""Where lines are broken: by the columns that characters take on a terminal, wide ones too."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_NOT_FIRST = "。，、；：？！）》」』】”’%,.;:?!)]}"  # noqa: RUF001  they are meant
"""What never begins a line."""
_NOT_LAST = "（《「『【“‘([{"  # noqa: RUF001  likewise
"""What never ends one."""

_PIECES = re.compile(
    r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60]|\s+|[^\s,\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60]+,?|,"
)


def columns(text: str) -> int:
    """Tell how many columns a text takes (Unicode Standard Annex 11: wide and full-width characters take two)."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def breaks(text: str, first: int, rest: int) -> list[int]:
    """Give the places at which a line of text is broken so that its parts fit.

    Latin text is broken between words and after commas, Chinese between characters, but for punctuation that belongs to
    what stands before or behind it. A word that is too long is broken where the line ends.

    Args:
        text: The text, without line ends.
        first: How many columns there are for the first part.
        rest: How many for each other.
    """
    found: list[int] = []
    left, at = first, 0
    for piece in _unbreakable(text):
        wide = columns(piece.rstrip())
        if wide > left and at and (not found or found[-1] != at):
            found.append(at)
            left = rest
        at += len(piece)
        if wide <= left:
            left -= columns(piece)
            continue
        # Too long for any line.
        start = at - len(piece)
        for place, character in enumerate(piece, start=start):
            if _columns(character) > left:
                found.append(place)
                left = rest
            left -= _columns(character)
    return found


def _unbreakable(text: str) -> Iterator[str]:
    """Give the pieces between which a line may be broken, each with the spaces behind it."""
    piece = ""
    for found in _PIECES.finditer(text):
        token = found[0]
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
