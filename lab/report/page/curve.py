"""The sweep as a picture: the share of trials armed, and stalled, against how long the verdict is held."""

from __future__ import annotations

from dataclasses import dataclass

from lab.report.page.view import View

LEFT, WIDTH = 11.0, 86.0
"""Where the axis begins and how long it is, in percent of the width."""

TOP_PX, TALL_PX = 14.0, 230.0

TICKS = 6
"""About so many holds are written on the axis."""


@dataclass(frozen=True)
class Spot:
    """A share at one hold.

    Attributes:
        at: The share.
        hold: The hold.
        x: Where, in percent of the width.
        y: Likewise, in pixels.
        low: Where its interval ends, in pixels.
        high: ... on the other side.
    """

    at: View
    hold: View
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """A machine's.

    Attributes:
        machine: Its name.
        what: `armed` or `stalled`.
        place: Which machine it is, from 0.
        spots: In the order of the holds.
    """

    machine: str
    what: str
    place: int
    spots: tuple[Spot, ...]


@dataclass(frozen=True)
class Picture:
    """The picture, laid out.

    Attributes:
        curves: For each machine two.
        holds: The axis: each hold in seconds that is written there, and where.
        height: In pixels.
    """

    curves: tuple[Curve, ...]
    holds: tuple[tuple[float, float], ...]
    height: float


def picture(dial: View) -> Picture:
    """Lay the picture out."""
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
    return Picture(curves, ticks, TOP_PX + TALL_PX)


def share_y(share: float) -> float:
    """Give where a share is, in pixels from the top."""
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
