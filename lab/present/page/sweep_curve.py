"""A sweep as a picture: the report's curve as a separate SVG file, whose text is text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.comparison.sweep import SweepPoint
from lab.foundation.language import Language
from lab.foundation.printable import printable_lines
from lab.present import sentences
from lab.present.page import curve, render
from lab.present.page.view import View
from lab.runs.run import RanOn

ROW_PX = 20.0
"""A line of the legend."""

ABOVE_PX, BELOW_PX = 30.0, 56.0
"""For the title, and for what the axis says."""

NOTE_PX = 32.0


def svg(points: Iterable[SweepPoint], machines: Mapping[str, RanOn]) -> str:
    """Draw the shares of trials armed (dashed) and stalled (whole) against the hold, with their 95 % intervals.

    Args:
        points: What was measured, in the order of `lab sweep --json`.
        machines: The machines, by name.
    """
    members = [
        {"machine": one.machine, "hold_s": one.hold_s, "armed": vars(one.armed), "stalled": vars(one.stalled)}
        for one in points
    ]
    picture = curve.picture(View(members, "/points"))
    legend_px = ABOVE_PX + picture.height + BELOW_PX
    return printable_lines(
        render.environment(Language.ENGLISH)
        .get_template("sweep.svg.j2")
        .render(
            picture=picture,
            names={name: sentences.called(name, ran_on) for name, ran_on in machines.items()},
            legend_y=legend_px,
            row=ROW_PX,
            height=legend_px + len(picture.curves) * ROW_PX + NOTE_PX,
        )
    )
