"""The name-lookup times of all trials, a dot each, machine by machine on one axis."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from lab.report.page.view import View

LEFT, WIDTH = 1.5, 96.0
"""Where the axis begins and how long it is, in percent of the width."""

BIN = 1.6
"""Dots within so much of the width are stacked, in percent; on a phone that is some six pixels."""

BIN_PX, STACK_PX, DOT_PX = 6.0, 92.0, 7.0

BEYOND_S = 0.4
"""How far the axis goes beyond the longest lookup, in seconds."""


@dataclass(frozen=True)
class Dot:
    """A trial.

    Attributes:
        at: The trial.
        x: Where its stack is, in percent of the width.
        dx: How far beside that, in pixels.
        y: How far above the axis, in pixels.
        kind: `stalled`, `healthy` where the race was armed, or `other`.
    """

    at: View
    x: float
    dx: float
    y: float
    kind: str


@dataclass(frozen=True)
class Row:
    """A machine.

    Attributes:
        at: Its totals.
        dots: Its trials that have a time.
    """

    at: View
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Picture:
    """The picture, laid out.

    Attributes:
        rows: The machines.
        height: Of each row, in pixels.
        radius: Of each dot.
        ticks: The axis: each second, and where it is.
    """

    rows: tuple[Row, ...]
    height: float
    radius: float
    ticks: tuple[tuple[int, float], ...]


def picture(times: View, trials: View) -> Picture:
    """Lay the picture out.

    Args:
        times: The totals of each machine.
        trials: Every trial.
    """
    timed = [trial for trial in trials if not trial["lookup_s"].is_none]
    until_s = max((trial["lookup_s"].it for trial in timed), default=0.0) + BEYOND_S
    stacks: dict[tuple[str, int], list[View]] = defaultdict(list)
    for trial in timed:
        stacks[trial["machine"].it, int(trial["lookup_s"].it / until_s * WIDTH / BIN)].append(trial)
    highest = max((len(stack) for stack in stacks.values()), default=1)
    pitch = min(DOT_PX, math.sqrt(BIN_PX * STACK_PX / highest))
    side = max(1, int(BIN_PX / pitch))
    rows = tuple(Row(total, tuple(_dots(total["machine"].it, stacks, pitch, side))) for total in times)
    height = math.ceil(highest / side) * pitch + pitch
    ticks = tuple((second, LEFT + WIDTH * second / until_s) for second in range(math.ceil(until_s)))
    return Picture(rows, height, pitch * 0.42, ticks)


def _dots(machine: str, stacks: dict[tuple[str, int], list[View]], pitch: float, side: int) -> list[Dot]:
    found = []
    for (whose, place), stack in stacks.items():
        if whose != machine:
            continue
        ordered = sorted(stack, key=lambda trial: (_kind(trial), trial["lookup_s"].it))
        for number, trial in enumerate(ordered):
            dx = (number % side - (side - 1) / 2) * pitch
            x = LEFT + (place + 0.5) * BIN
            found.append(Dot(trial, x, dx, (number // side + 0.5) * pitch, _kind(trial)))
    return found


def _kind(trial: View) -> str:
    outcome: str = trial["outcome"].it
    return outcome if outcome == "stalled" or (outcome == "healthy" and trial["armed"].it) else "other"
