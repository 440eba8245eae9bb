"""How long verdicts are held, as people type it."""

from __future__ import annotations

import re

import click

from lab import dial

MOST_MS = 5000
"""As long as glibc waits for an answer; beyond that every trial is a retry."""

SETTINGS = 11
"""Of a range: enough to see a curve."""

_RANGE = re.compile(r"(\d{1,4})\.\.(\d{1,4})ms", re.ASCII)
_LIST = re.compile(r"(\d{1,4}(?:,\d{1,4})*)ms", re.ASCII)


class Hold(click.ParamType[tuple[float, ...]]):
    """`0..20ms`, or `0,1,5ms`: settings of the dial, in seconds."""

    name = "hold"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Read it, or end with what is wrong."""
        held_s = read(str(value))
        if held_s is None:
            self.fail(f"'{value}' is no hold: whole milliseconds up to {MOST_MS}, as 0..20ms or 0,1,5ms", param, ctx)
        return held_s


def read(text: str) -> tuple[float, ...] | None:
    """Give the settings that a text stands for, in seconds; None when it stands for none."""
    held_ms: list[int] = []
    if found := _LIST.fullmatch(text):
        held_ms = sorted({int(part) for part in found[1].split(",")})
    elif (found := _RANGE.fullmatch(text)) and int(found[1]) <= int(found[2]):
        held_ms = dial.holds_ms(int(found[1]), int(found[2]), SETTINGS)
    return tuple(held / 1000 for held in held_ms) if held_ms and held_ms[-1] <= MOST_MS else None
