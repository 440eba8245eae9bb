"""Marks the decisive parts of lines of output."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from lab.catalogue.document import Model

GAP = "⋯"
"""Stands for the part of a line that is left out."""


class MarkedLine(Model):
    """A line of output.

    Attributes:
        text: The line.
        spans: Where its decisive parts begin and end, in order, none within another.
    """

    text: str
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def parts(self) -> tuple[tuple[str, bool], ...]:
        """The line in pieces, each with whether it is telling."""
        edges = [0, *(edge for span in self.spans for edge in span), len(self.text)]
        pieces = [self.text[start:end] for start, end in pairwise(edges)]
        return tuple((piece, number % 2 == 1) for number, piece in enumerate(pieces) if piece)


def marked(lines: Iterable[str], patterns: Sequence[str]) -> tuple[MarkedLine, ...]:
    """Find the decisive parts of lines.

    Args:
        lines: The lines.
        patterns: Regular expressions; their matches are telling, or the groups of one with groups.
    """
    compiled = [re.compile(pattern) for pattern in patterns]
    # The width of a tab depends on its column, so that marks below the rest of the line would be misplaced.
    plain = [line.expandtabs() for line in lines]
    return tuple(MarkedLine(text=line, spans=_merged(_spans(line, compiled))) for line in plain)


def _spans(line: str, patterns: Iterable[re.Pattern[str]]) -> list[tuple[int, int]]:
    spans = []
    for pattern in patterns:
        for match in pattern.finditer(line):
            groups = range(1, pattern.groups + 1) if pattern.groups else (0,)
            spans += [match.span(group) for group in groups if match.start(group) < match.end(group)]
    return sorted(spans)


def _merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def shortened(line: MarkedLine, longest: int, around: int, head: int) -> MarkedLine:
    """Shorten a long line to its head and the surroundings of its decisive parts.

    Args:
        line: The line.
        longest: The length up to which a line is kept whole.
        around: How many characters are kept before and after each decisive part.
        head: How many characters are kept at its beginning.
    """
    if len(line.text) <= longest:
        return line
    spans = line.spans or ((0, longest - around),)
    kept = _merged([(0, head), *((max(start - around, 0), min(end + around, len(line.text))) for start, end in spans)])
    text, moved = "", []
    for start, end in kept:
        ahead = len(text) - start
        moved += [(a + ahead, b + ahead) for a, b in line.spans if start <= a and b <= end]
        text += line.text[start:end] + (GAP if end < len(line.text) else "")
    return MarkedLine(text=text, spans=tuple(moved))
