"""Maps moments to positions on the page: to scale, except for folds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TALL_PX = 460.0
"""The greatest height of everything outside the folds."""

MOST_PX_A_SECOND = 8000.0
"""Eight pixels per millisecond: no clock here is more precise."""

FOLD_PX, LONG_FOLD_PX = 26.0, 54.0
LONG_FOLD_S = 1.0
PAD_PX = 9.0
"""The space between a fold and the moments next to it."""

STEPS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
TICK_PX = 30.0


@dataclass(frozen=True)
class Stretch:
    """A time span that is drawn to scale.

    Attributes:
        from_s: First moment.
        until_s: Last moment.
        top_px: Position of the first moment.
    """

    from_s: float
    until_s: float
    top_px: float


@dataclass(frozen=True)
class Break:
    """A time span that is folded.

    Attributes:
        number: The fold's number, from 0.
        top_px: Its top.
        bottom_px: Its bottom.
    """

    number: int
    top_px: float
    bottom_px: float


class Scale:
    """Maps moments to pixels, from top to bottom.

    Args:
        first_s: The first moment.
        last_s: The last moment.
        folds: Begin and end of each fold.
        top_px: Position of the first moment.
    """

    def __init__(self, first_s: float, last_s: float, folds: Sequence[tuple[float, float]], top_px: float) -> None:
        edges = [first_s, *(edge for fold in folds for edge in fold), last_s]
        spans = list(zip(edges[::2], edges[1::2], strict=True))
        open_s = sum(until - begin for begin, until in spans)
        self.px_a_second = min(MOST_PX_A_SECOND, TALL_PX / open_s) if open_s > 0 else MOST_PX_A_SECOND
        stretches, breaks = [], []
        for number, (begin, until) in enumerate(spans):
            stretches.append(Stretch(begin, until, top_px))
            top_px += (until - begin) * self.px_a_second
            if number < len(folds):
                lasts_s = folds[number][1] - folds[number][0]
                height = LONG_FOLD_PX if lasts_s >= LONG_FOLD_S else FOLD_PX
                breaks.append(Break(number, top_px + PAD_PX, top_px + PAD_PX + height))
                top_px += height + 2 * PAD_PX
        self.stretches, self.breaks = tuple(stretches), tuple(breaks)

    def y(self, moment_s: float) -> float:
        """Return the position of a moment, in pixels; a moment inside a fold is at the fold's end."""
        for stretch in self.stretches:
            if moment_s <= stretch.until_s:
                return stretch.top_px + max(0.0, moment_s - stretch.from_s) * self.px_a_second
        last = self.stretches[-1]
        return last.top_px + (last.until_s - last.from_s) * self.px_a_second

    def ticks(self, until_s: float) -> Iterable[tuple[float, float]]:
        """Yield the ticks of the axis up to a moment, each with its position."""
        step_s = next((step for step in STEPS_S if step * self.px_a_second >= TICK_PX), STEPS_S[-1])
        shown_px = -TICK_PX
        for stretch in self.stretches:
            number = -(-stretch.from_s // step_s)
            while (moment_s := number * step_s) <= min(stretch.until_s, until_s) + 1e-9:
                if self.y(moment_s) - shown_px >= TICK_PX / 2:
                    shown_px = self.y(moment_s)
                    yield moment_s, shown_px
                number += 1
