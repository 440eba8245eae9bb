"""Layout of a sweep's curve: the shares of armed and of stalled trials against how long the verdict is held."""

from __future__ import annotations

from dataclasses import dataclass

from lab.present.page.view import View

LEFT, WIDTH = 11.0, 86.0
"""The beginning and the length of the axis, in percent of the width."""

TOP_PX, TALL_PX = 14.0, 230.0

TICKS = 6
"""About this many holds are labelled on the axis."""


@dataclass(frozen=True)
class Spot:
    """The share at one hold.

    Attributes:
        at: The share.
        hold: The hold.
        x: Position in percent of the width.
        y: Position in pixels.
        low: Lower end of its interval, in pixels.
        high: Upper end of its interval, in pixels.
    """

    at: View
    hold: View
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """One curve of a machine.

    Attributes:
        machine: The machine's name.
        what: `armed` or `stalled`.
        place: The machine's number, from 0.
        spots: The shares, in the order of the holds.
    """

    machine: str
    what: str
    place: int
    spots: tuple[Spot, ...]


@dataclass(frozen=True)
class CurvePicture:
    """The curve, laid out.

    Attributes:
        curves: Two for each machine.
        holds: The labels of the axis: each hold in seconds, with its position.
        height: Height in pixels.
    """

    curves: tuple[Curve, ...]
    holds: tuple[tuple[float, float], ...]
    height: float


def picture(dial: View) -> CurvePicture:
    """Lay out the curve."""
    longest_s = max((point["hold_s"].it for point in dial), default=0.0) or 1.0
    machines = list(dict.fromkeys(point["machine"].it for point in dial))
    curves = tuple(
        Curve(
            machine,
            what,
            place,
            tuple(
                _spot(point, what, longest_s)
                for point in dial
                if point["machine"] == machine and not point[what]["share"].is_none
            ),
        )
        for place, machine in enumerate(machines)
        for what in ("armed", "stalled")
    )
    holds_s = sorted({point["hold_s"].it for point in dial})
    every = max(1, len(holds_s) // TICKS)
    ticks = tuple((hold_s, _x(hold_s, longest_s)) for hold_s in holds_s[::every])
    return CurvePicture(curves, ticks, TOP_PX + TALL_PX)


def share_y(share: float) -> float:
    """Return the position of a share, in pixels from the top."""
    return TOP_PX + TALL_PX * (1 - share)


def _x(hold_s: float, longest_s: float) -> float:
    return LEFT + WIDTH * hold_s / longest_s


def _spot(point: View, what: str, longest_s: float) -> Spot:
    share = point[what]
    low, high = share["interval"].it
    return Spot(
        share,
        point["hold_s"],
        _x(point["hold_s"].it, longest_s),
        share_y(share["share"].it),
        share_y(low),
        share_y(high),
    )
