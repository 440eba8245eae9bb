"""A sweep as a picture: SVG whose text is text, readable in print and without colour."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping

from lab.dial import Point, Share
from lab.store import RanOn

SIZE_IN = (7.0, 4.2)
"""Fits the width of A4 with margins, in inches."""

COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7")
"""Told apart by those who see colours otherwise, too (Okabe and Ito)."""

MARKS = "os^D"


def svg(points: Iterable[Point], machines: Mapping[str, RanOn]) -> str:
    """Draw the shares of trials armed (dashed) and stalled (whole) against the hold, with their 95 % intervals.

    Args:
        points: What was measured.
        machines: The machines, by name.
    """
    # It takes half a second to load, and most commands draw nothing.
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    known = list(points)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "five-second-lab", "font.family": "sans-serif"}):
        figure = Figure(figsize=SIZE_IN, layout="constrained")
        axes = figure.add_subplot()
        for place, (machine, ran_on) in enumerate(machines.items()):
            own = [point for point in known if point.machine == machine]
            name = f"{machine} (replica)" if ran_on.replica else machine
            # Where all that are armed stall, the ring of the one stands around the mark of the other.
            for what, line, size, shares in (
                ("armed", "--", 10, [point.armed for point in own]),
                ("stalled", "-", 4, [point.stalled for point in own]),
            ):
                told = [(point.hold_s * 1000, share) for point, share in zip(own, shares, strict=True) if share.of]
                axes.errorbar(
                    [hold_ms for hold_ms, _ in told],
                    [_percent(share) for _, share in told],
                    yerr=[[_below(share) for _, share in told], [_above(share) for _, share in told]],
                    linestyle=line,
                    markersize=size,
                    markerfacecolor="none" if what == "armed" else None,
                    capsize=3,
                    label=f"{name}: {what}",
                    color=COLOURS[place % len(COLOURS)],
                    marker=MARKS[place % len(MARKS)],
                )
        axes.set(
            title="How long the verdict is held, and what becomes of the race",
            xlabel="each verdict held for (ms)",
            ylabel="share of trials (%), with 95 % intervals",
            ylim=(-3, 103),
        )
        axes.grid(visible=True, alpha=0.3)
        axes.legend(loc="best", fontsize="small")
        drawn = io.StringIO()
        # No date, so that the same figures give the same file.
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def _percent(share: Share) -> float:
    return 100 * (share.share or 0.0)


def _below(share: Share) -> float:
    low = share.interval[0] if share.interval else 0.0
    return max(0.0, _percent(share) - 100 * low)


def _above(share: Share) -> float:
    high = share.interval[1] if share.interval else 1.0
    return max(0.0, 100 * high - _percent(share))
