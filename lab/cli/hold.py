"""Parses how long verdicts are held."""

from __future__ import annotations

import re

import click

from lab.comparison import sweep

MOST_MS = 5000
"""glibc's timeout; with a longer hold every trial is a retry."""

SETTINGS = 11
"""The number of holds in a range: enough for a curve."""

_RANGE = re.compile(r"(\d{1,4})\.\.(\d{1,4})ms", re.ASCII)
_LIST = re.compile(r"(\d{1,4}(?:,\d{1,4})*)ms", re.ASCII)


class Hold(click.ParamType[tuple[float, ...]]):
    """`0..20ms`, or `0,1,5ms`: holds, in seconds."""

    name = "hold"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Return the holds, or fail with the reason."""
        held_s = read(str(value))
        if held_s is None:
            self.fail(f"'{value}' is no hold: whole milliseconds up to {MOST_MS}, as 0..20ms or 0,1,5ms", param, ctx)
        return held_s


def read(text: str) -> tuple[float, ...] | None:
    """Parse holds, in seconds; None when the text is invalid."""
    held_ms: list[int] = []
    if match := _LIST.fullmatch(text):
        held_ms = sorted({int(part) for part in match[1].split(",")})
    elif (match := _RANGE.fullmatch(text)) and int(match[1]) <= int(match[2]):
        held_ms = sweep.holds_ms(int(match[1]), int(match[2]), SETTINGS)
    return tuple(held / 1000 for held in held_ms) if held_ms and held_ms[-1] <= MOST_MS else None
