"""A sweep of hold times: how often the race is armed and stalls, as a function of the verdict's hold time."""

from __future__ import annotations

from dataclasses import dataclass

from lab.catalogue.queue import Queue
from lab.catalogue.scenario import Scenario
from lab.comparison.cells import Cell, Comparison
from lab.comparison.statistics import share_interval

NEVER = 1024
"""A number of packets to wait for that is never reached, so that only the hold time counts."""


@dataclass(frozen=True)
class Share:
    """A share of trials.

    Attributes:
        count: Number of trials with the property.
        of: Total number of trials.
        share: `count / of`; None if the total is 0.
        interval: The 95 % Wilson interval of the share; None if the total is 0.
    """

    count: int
    of: int
    share: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class SweepPoint:
    """A machine at one hold time.

    Attributes:
        machine: The machine.
        hold_s: The hold time of each verdict, in seconds.
        armed: The share of armed trials.
        stalled: The share of stalled trials among all trials, armed or not.
    """

    machine: str
    hold_s: float
    armed: Share
    stalled: Share


def scenario(base: Scenario, hold_s: float) -> Scenario:
    """Return a variant of a scenario that holds verdicts only by time.

    Args:
        base: A scenario that queues DNS packets.
        hold_s: The hold time, in seconds; the verdict program takes whole milliseconds.
    """
    hold = {"hold_packets": NEVER, "hold_s": hold_s}
    steps = tuple(step.model_copy(update=hold) if isinstance(step, Queue) else step for step in base.step)
    name = f"{base.name}-held-{round(hold_s * 1000)}ms"
    # The armed share is what is measured, so no armed trial is acceptable.
    return base.model_copy(update={"name": name, "step": steps, "arms": True, "may_stay_unarmed": True})


def is_setting(scenario: Scenario) -> bool:
    """Return whether a scenario holds verdicts only by time."""
    return scenario.queue is not None and scenario.queue.hold_packets >= NEVER


def points(comparison: Comparison) -> tuple[SweepPoint, ...]:
    """Return the points of a sweep, ordered by machine, then hold time.

    Trials that could not be judged are excluded; unarmed trials count as not stalled.
    """
    points = [
        _point(cell, queue.hold_s)
        for cell in comparison.cells
        if (queue := comparison.scenarios[cell.scenario].queue) is not None
    ]
    order = {name: place for place, name in enumerate(comparison.machines)}
    return tuple(sorted(points, key=lambda point: (order[point.machine], point.hold_s)))


def _point(cell: Cell, hold_s: float) -> SweepPoint:
    judged = cell.trials - sum(cell.unjudged.values())
    return SweepPoint(cell.machine, hold_s, _share(cell.armed, judged), _share(cell.stalled, judged))


def _share(count: int, of: int) -> Share:
    return Share(count, of, count / of if of else None, share_interval(count, of))


def holds_ms(first_ms: int, last_ms: int, most: int) -> list[int]:
    """Return at most `most` evenly spaced hold times from `first_ms` to `last_ms`, in whole milliseconds."""
    gaps = min(most - 1, last_ms - first_ms)
    if gaps < 1:
        return [first_ms]
    return [first_ms + round(gap * (last_ms - first_ms) / gaps) for gap in range(gaps + 1)]
