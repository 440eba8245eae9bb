"""The dial: how often the race is armed, and how often it stalls, against how long the verdict is held."""

from __future__ import annotations

from dataclasses import dataclass

from lab.catalogue.scenario import Queue, Scenario
from lab.comparison import Cell, Comparison
from lab.statistics import share_interval

NEVER = 1024
"""Of packets that the verdict program waits for: more than come, so that time alone decides."""


@dataclass(frozen=True)
class Share:
    """How many of some trials had something.

    Attributes:
        count: How many had it.
        of: Among how many.
        share: The one over the other; None of nothing.
        interval: Its 95 % Wilson interval; likewise.
    """

    count: int
    of: int
    share: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Point:
    """A machine at one setting of the dial.

    Attributes:
        machine: The machine.
        hold_s: How long each verdict was held, in seconds.
        armed: In how many of the trials the race was armed.
        stalled: How many of all trials stalled, armed or not.
    """

    machine: str
    hold_s: float
    armed: Share
    stalled: Share


def scenario(base: Scenario, hold_s: float) -> Scenario:
    """Give a scenario as another one with the verdict held for so long, and for nothing else.

    Args:
        base: A scenario that queues DNS packets.
        hold_s: For how long, in seconds; the verdict program takes whole milliseconds.
    """
    held = {"hold_packets": NEVER, "hold_s": hold_s}
    steps = tuple(step.model_copy(update=held) if isinstance(step, Queue) else step for step in base.step)
    name = f"{base.name}-held-{round(hold_s * 1000)}ms"
    # How many are armed is what is measured, so that none needs be.
    return base.model_copy(update={"name": name, "step": steps, "arms": True, "may_stay_unarmed": True})


def is_setting(scenario: Scenario) -> bool:
    """Tell whether time alone decides how long a scenario's verdicts are held."""
    return scenario.queue is not None and scenario.queue.hold_packets >= NEVER


def points(comparison: Comparison) -> tuple[Point, ...]:
    """Give the points of a sweep, machine by machine, each in the order of its holds.

    Trials that could not be judged count for nothing; those that were not armed count as not stalled.
    """
    found = [
        _point(cell, queue.hold_s)
        for cell in comparison.cells
        if (queue := comparison.scenarios[cell.scenario].queue) is not None
    ]
    order = {name: place for place, name in enumerate(comparison.machines)}
    return tuple(sorted(found, key=lambda point: (order[point.machine], point.hold_s)))


def _point(cell: Cell, hold_s: float) -> Point:
    judged = cell.trials - sum(cell.unjudged.values())
    return Point(cell.machine, hold_s, _share(cell.armed, judged), _share(cell.stalled, judged))


def _share(count: int, of: int) -> Share:
    return Share(count, of, count / of if of else None, share_interval(count, of))


def holds_ms(first_ms: int, last_ms: int, most: int) -> list[int]:
    """Give up to so many settings of the dial from one to another, evenly, in whole milliseconds."""
    gaps = min(most - 1, last_ms - first_ms)
    if gaps < 1:
        return [first_ms]
    return [first_ms + round(gap * (last_ms - first_ms) / gaps) for gap in range(gaps + 1)]
