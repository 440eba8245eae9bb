"""Layout of a trial's timeline: each query on its way from the application to the server and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lab.comparison.exhibit import PLACED_WITHIN_S
from lab.judgement.sightings import Stage
from lab.present.page.scale import Break, Scale
from lab.present.page.view import View

LANES = ("application", "LOCAL_OUT", "NFQUEUE", "confirm", "wire", "server")
LANES_BEHIND = ("application", "gateway", *LANES[2:])
"""The lanes for a client behind the machine: its queries pass PREROUTING there, not LOCAL_OUT."""

LANE_OF = {
    "sent by the resolver": 0,
    "arrived at the gateway": 1,
    "queued at the hook": 2,
    "verdict given": 2,
    "confirm returned": 3,
    "on the wire": 4,
    "seen by the server": 5,
    "answer on the wire": 4,
    "read by the resolver": 0,
}

FIRST, LAST = 17.0, 93.0
"""Positions of the first and the last lane, in percent of the width."""

BESIDE = 1.1
"""Distance of a query from its lane's middle, in percent: two queries that wait together are side by side."""

TOP_PX, BOTTOM_PX = 68.0, 26.0

NAME_PX = 8.0
"""Distance of a query's name above its first mark."""

SHAPES = {"A": "circle", "AAAA": "square"}


@dataclass(frozen=True)
class Mark:
    """A query at one place.

    Attributes:
        at: The point in the JSON.
        x: Position in percent of the width.
        y: Position in pixels from the top.
        shape: `circle` for A, `square` for AAAA, `diamond` for any other; `lost` where it ended.
        conntrack: The index of its conntrack among the trial's; None where it is unknown.
        timed: Whether its position is its own time, not only its place in the order.
        says: The label next to it: `dropped`, `merged`, `unneeded`, or none.
    """

    at: View
    x: float
    y: float
    shape: str
    conntrack: int | None
    timed: bool
    says: str = ""


@dataclass(frozen=True)
class Leg:
    """A line between two marks of a query.

    Attributes:
        x1: Begin, in percent of the width.
        y1: Begin, in pixels.
        x2: End, in percent of the width.
        y2: End, in pixels.
        kind: `way` to the server, `back`, `parked` in the queue, or `wait` without an answer.
        conntrack: As in a mark.
        to: The JSON Pointer of the point where it ends.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    kind: str
    conntrack: int | None
    to: str


@dataclass(frozen=True)
class Passed:
    """The span in which a query passed LOCAL_OUT, which is not traced.

    Attributes:
        x: Position in percent of the width.
        y1: Begin, in pixels.
        y2: End, in pixels.
        conntrack: As in a mark.
        to: The JSON Pointer of the point in the queue, where it ends.
    """

    x: float
    y1: float
    y2: float
    conntrack: int | None
    to: str


@dataclass(frozen=True)
class Way:
    """One attempt of a query.

    Attributes:
        at: The lifeline in the JSON.
        marks: The places where it was seen.
        legs: The lines between the marks.
        passed: The span in which it passed LOCAL_OUT; None where it is unknown.
        label_y: Position of its name.
        right: Whether the name is to the right of the application's lane.
    """

    at: View
    marks: tuple[Mark, ...]
    legs: tuple[Leg, ...]
    passed: Passed | None
    label_y: float
    right: bool


@dataclass(frozen=True)
class TimelinePicture:
    """A timeline, laid out.

    Attributes:
        exhibit: The trial in the JSON.
        height: Height in pixels.
        lanes: Each lane's name and position, in percent.
        ways: The queries.
        waits: The resolver's waits without an answer, each with its line.
        ticks: The labels of the axis: each moment in seconds, with its position.
        breaks: The folds, laid out.
        folds: The folds in the JSON.
    """

    exhibit: View
    height: float
    lanes: tuple[tuple[str, float], ...]
    ways: tuple[Way, ...]
    waits: tuple[tuple[View, Leg], ...]
    ticks: tuple[tuple[float, float], ...]
    breaks: tuple[Break, ...]
    folds: View


def pictures(twins: View) -> list[TimelinePicture]:
    """Lay out the timelines of twins on one scale; return none if no trial has a clock."""
    folds = [(fold["from_s"].it, fold["until_s"].it) for fold in twins["folds"]]
    all_s = [moment for shown in twins["exhibits"] for moment in _moments_s(shown)]
    if not all_s:
        return []
    scale = Scale(min(all_s), max(all_s), folds, TOP_PX)
    return [_picture(shown, scale, twins["folds"]) for shown in twins["exhibits"] if list(_moments_s(shown))]


def _moments_s(shown: View) -> Iterator[float]:
    for line in shown["lifelines"]:
        yield from (point["after_s"].it for point in line["points"] if _is_timed(point.it))
    for wait in shown["waits"]:
        yield wait["until_s"].it


def _is_timed(point: dict[str, Any]) -> bool:
    return point["after_s"] is not None and point["within_s"] <= PLACED_WITHIN_S


def _picture(shown: View, scale: Scale, folds: View) -> TimelinePicture:
    last_s = max(_moments_s(shown))
    order = {
        dns_id: place for place, dns_id in enumerate(dict.fromkeys(line["dns_id"].it for line in shown["lifelines"]))
    }
    beside = {dns_id: (place - (len(order) - 1) / 2) * 2 * BESIDE for dns_id, place in order.items()}
    ways = tuple(
        _way(line, scale, beside[line["dns_id"].it], right=order[line["dns_id"].it] > 0) for line in shown["lifelines"]
    )
    return TimelinePicture(
        exhibit=shown,
        height=scale.y(last_s) + BOTTOM_PX,
        lanes=tuple((name, lane_x(place)) for place, name in enumerate(_lanes(shown))),
        ways=ways,
        waits=tuple(_waits(shown["waits"], scale)),
        ticks=tuple(tick for tick in scale.ticks(last_s) if not _hidden(tick[1], ways)),
        breaks=tuple(each for each in scale.breaks if each.top_px < scale.y(last_s)),
        folds=folds,
    )


def _lanes(shown: View) -> tuple[str, ...]:
    stages = {point["stage"].it for line in shown["lifelines"] for point in line["points"]}
    return LANES_BEHIND if Stage.ARRIVED.value in stages else LANES


def _hidden(tick_y: float, ways: Iterable[Way]) -> bool:
    """Tell whether a query's name is written where a mark of the axis would be."""
    return any(way.at["attempt"].it > 1 and abs(way.label_y - NAME_PX - tick_y) < NAME_PX * 1.5 for way in ways)


def lane_x(place: int) -> float:
    """Return where a lane is, in percent of the width."""
    return FIRST + (LAST - FIRST) * place / (len(LANES) - 1)


def _waits(waits: View, scale: Scale) -> Iterator[tuple[View, Leg]]:
    for wait in waits:
        x = lane_x(0)
        yield wait, Leg(x, scale.y(wait["from_s"].it), x, scale.y(wait["until_s"].it), "wait", None, wait.pointer)


def _way(line: View, scale: Scale, beside: float, *, right: bool) -> Way:
    marks = tuple(_marks(line, scale, beside))
    passed = _passed(line, scale, beside)
    return Way(line, marks, tuple(_legs(marks, passed)), passed, marks[0].y if marks else TOP_PX, right)


def _marks(line: View, scale: Scale, beside: float) -> Iterator[Mark]:
    """Yield the marks of the points that were seen; a point without a time is placed at the one before it."""
    y, carried, ended = TOP_PX, None, False
    for point in line["points"]:
        status, stage = point["status"].it, point["stage"].it
        timed = _is_timed(point.it)
        if status not in {"seen", "dropped"} and (ended or stage != line["lost_at"].it):
            continue
        y = scale.y(point["after_s"].it) if timed else y
        known = point["conntrack"].it
        # A parked query keeps its conntrack; after confirm it is no longer drawn.
        carried = known if known is not None else carried if stage not in {"confirm returned", "on the wire"} else None
        lost = stage == line["lost_at"].it
        ended = ended or lost
        shape = "lost" if lost else SHAPES.get(line["qtype"].it, "diamond")
        yield Mark(point, lane_x(LANE_OF[stage]) + beside, y, shape, carried, timed, _says(point.it))


def _says(point: dict[str, Any]) -> str:
    if point["status"] == "dropped":
        return "dropped"
    if point["stage"] != "confirm returned":
        return ""
    if point["clashed"]:
        return "merged"
    return "" if point["returned"] is not None else "unneeded"


def _passed(line: View, scale: Scale, beside: float) -> Passed | None:
    between = line["local_out"]
    if between.is_none or between["from_s"].is_none:
        return None
    queued = next(point for point in line["points"] if point["stage"] == "queued at the hook")
    x = lane_x(1) + beside
    return Passed(
        x, scale.y(between["from_s"].it), scale.y(between["until_s"].it), queued["conntrack"].it, queued.pointer
    )


def _legs(marks: Iterable[Mark], passed: Passed | None) -> Iterator[Leg]:
    before: Mark | None = None
    for mark in marks:
        if before is not None:
            yield from _between(before, mark, passed)
        before = mark


def _between(before: Mark, mark: Mark, passed: Passed | None) -> Iterator[Leg]:
    stage, to = mark.at["stage"].it, mark.at.pointer
    if stage == "verdict given":
        yield Leg(before.x, before.y, mark.x, mark.y, "parked", mark.conntrack, to)
    elif stage == "queued at the hook" and passed is not None:
        middle = (passed.y1 + passed.y2) / 2
        yield Leg(before.x, before.y, passed.x, middle, "way", None, to)
        yield Leg(passed.x, middle, mark.x, mark.y, "way", mark.conntrack, to)
    else:
        kind = "back" if stage in {"answer on the wire", "read by the resolver"} else "way"
        yield Leg(before.x, before.y, mark.x, mark.y, kind, mark.conntrack, to)
