"""Orders everything drawn in timelines by time, so that a page can show one event after the other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from lab.present.page.timeline import TimelinePicture


@dataclass(frozen=True)
class PlayedMoment:
    """A moment at which something happens in one of the timelines.

    Attributes:
        moment_s: When, in seconds after the first query of each trial.
        y: Its position on the common scale, in pixels.
        folded_s: How much of the time since the step before is folded, in seconds.
    """

    moment_s: float
    y: float
    folded_s: float


@dataclass(frozen=True)
class Play:
    """The order of all events.

    Attributes:
        steps: The moments, in order.
        place: The step of each event, by the event's JSON Pointer.
    """

    steps: tuple[PlayedMoment, ...]
    place: Mapping[str, int]

    @property
    def table(self) -> str:
        """The steps as JSON: for each its moment, its position, and the folded time before it."""
        return json.dumps([(step.moment_s, round(step.y, 2), step.folded_s) for step in self.steps])


@dataclass(frozen=True)
class _Event:
    moment_s: float
    y: float
    pointer: str


def play(pictures: Sequence[TimelinePicture]) -> Play:
    """Return the order of all events in timelines that share one scale.

    Events of one moment are one step: both queries, sent by one call, are. A query's events keep their order even where
    the clocks of two sources disagree; an event whose time is unknown follows the one before it.
    """
    events = sorted((event for picture in pictures for event in _events(picture)), key=lambda event: event.moment_s)
    steps: list[PlayedMoment] = []
    place: dict[str, int] = {}
    folds = [(fold["from_s"].it, fold["until_s"].it) for fold in pictures[0].folds] if pictures else []
    for moment_s, group in groupby(events, key=lambda event: event.moment_s):
        together = list(group)
        before_s = steps[-1].moment_s if steps else moment_s
        folded_s = sum(until_s - from_s for from_s, until_s in folds if before_s <= from_s and until_s <= moment_s)
        place |= {event.pointer: len(steps) for event in together}
        steps.append(PlayedMoment(moment_s, max(event.y for event in together), folded_s))
    return Play(tuple(steps), place)


def _events(picture: TimelinePicture) -> Iterator[_Event]:
    for wait, leg in picture.waits:
        yield _Event(wait["until_s"].it, leg.y2, leg.to)
    for way in picture.ways:
        yield from _in_order(
            (mark.at["after_s"].it if mark.timed else None, mark.y, mark.at.pointer) for mark in way.marks
        )


def _in_order(marks: Iterable[tuple[float | None, float, str]]) -> Iterator[_Event]:
    reached_s, reached_y = 0.0, 0.0
    for moment_s, y, pointer in marks:
        reached_s, reached_y = max(reached_s, moment_s or 0.0), max(reached_y, y)
        yield _Event(reached_s, reached_y, pointer)
