"""Layout of all lookup times: one dot per trial, one row per machine, on one axis."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from lab.present.page.view import View

LEFT, WIDTH = 1.5, 96.0
"""The beginning and the length of the axis, in percent of the width."""

BIN = 1.6
"""Dots within this share of the width are stacked, in percent; about six pixels on a phone."""

BIN_PX, STACK_PX, DOT_PX = 6.0, 92.0, 7.0

BEYOND_S = 0.4
"""How far the axis extends beyond the longest lookup."""


@dataclass(frozen=True)
class Dot:
    """One trial.

    Attributes:
        at: The trial in the JSON.
        x: Position of its stack, in percent of the width.
        dx: Horizontal offset from it, in pixels.
        y: Height above the axis, in pixels.
        kind: `stalled`, `healthy` (armed trials only), or `other`.
    """

    at: View
    x: float
    dx: float
    y: float
    kind: str


@dataclass(frozen=True)
class MachineRow:
    """One machine.

    Attributes:
        at: Its totals in the JSON.
        dots: Its trials with a lookup time.
    """

    at: View
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class TimesPicture:
    """All rows, laid out.

    Attributes:
        rows: The machines.
        height: Height of each row, in pixels.
        radius: Radius of each dot, in pixels.
        ticks: The labels of the axis: each second, with its position.
    """

    rows: tuple[MachineRow, ...]
    height: float
    radius: float
    ticks: tuple[tuple[int, float], ...]


def picture(times: View, trials: View) -> TimesPicture:
    """Lay out the rows.

    Args:
        times: Each machine's totals.
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
    rows = tuple(MachineRow(total, tuple(_dots(total["machine"].it, stacks, pitch, side))) for total in times)
    height = math.ceil(highest / side) * pitch + pitch
    ticks = tuple((second, LEFT + WIDTH * second / until_s) for second in range(math.ceil(until_s)))
    return TimesPicture(rows, height, pitch * 0.42, ticks)


def _dots(machine: str, stacks: dict[tuple[str, int], list[View]], pitch: float, side: int) -> list[Dot]:
    dots = []
    for (whose, place), stack in stacks.items():
        if whose != machine:
            continue
        ordered = sorted(stack, key=lambda trial: (_kind(trial), trial["lookup_s"].it))
        for number, trial in enumerate(ordered):
            dx = (number % side - (side - 1) / 2) * pitch
            x = LEFT + (place + 0.5) * BIN
            dots.append(Dot(trial, x, dx, (number // side + 0.5) * pitch, _kind(trial)))
    return dots


def _kind(trial: View) -> str:
    outcome: str = trial["outcome"].it
    return outcome if outcome == "stalled" or (outcome == "healthy" and trial["armed"].it) else "other"
