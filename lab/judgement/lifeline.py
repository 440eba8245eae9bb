"""Builds the lifeline of each DNS query: where it was seen, and where it was lost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.judgement.sightings import Stage


class Status(StrEnum):
    """The state of a query at one stage."""

    SEEN = "seen"
    DROPPED = "dropped"
    """The query was dropped at this stage."""
    NOT_SEEN = "not seen"
    """Sources that show other queries at this stage do not show this one."""
    NOT_TRACED = "not traced"
    """No source covers this stage."""
    NOT_ON_WAY = "not on its way"


@dataclass(frozen=True)
class Point:
    """A query at one stage.

    Attributes:
        stage: The stage.
        status: The query's state at this stage.
        time_s: When, CLOCK_REALTIME in seconds; None when it is unknown.
        within_s: Maximum error of `time_s`, in seconds.
        seen_by: The sources that show the query here.
        missed_by: Sources that show other queries here, and not this one.
        detail: Details from the sources.
        ct: The address of its conntrack here; None when no source shows it.
        returned: Confirm's return value; None at other stages.
        clashed: Whether confirm hit a clash.
        lines: The evidence: raw files with line numbers, from 1; in captures, packet numbers.
    """

    stage: Stage
    status: Status
    time_s: float | None
    within_s: float
    seen_by: tuple[str, ...]
    missed_by: tuple[str, ...]
    detail: str
    ct: int | None = None
    returned: int | None = None
    clashed: bool = False
    lines: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Lifeline:
    """One attempt of a query.

    Attributes:
        dns_id: The DNS id.
        qtype: The queried type; None when it is unknown.
        sport: The source port; None when it is unknown.
        attempt: Attempt number, counted from 1.
        points: One point per stage, in order.
    """

    dns_id: int
    qtype: str | None
    sport: int | None
    attempt: int
    points: tuple[Point, ...]

    @property
    def start_s(self) -> float | None:
        """When it was first seen, CLOCK_REALTIME in seconds; None when it is unknown."""
        return next((point.time_s for point in self.points if point.time_s is not None), None)

    @property
    def lost_at(self) -> Stage | None:
        """The stage where it was lost; None when it was answered, or no source covers a later stage.

        It is the stage where it was dropped, or the first stage after the last sighting that should have shown it.
        """
        dropped = [point.stage for point in self.points if point.status is Status.DROPPED]
        if dropped:
            return dropped[0]
        last = self.last_seen
        if last is None:
            return None
        later = self.points[[point.stage for point in self.points].index(last) + 1 :]
        return next((point.stage for point in later if point.status is Status.NOT_SEEN), None)

    @property
    def last_seen(self) -> Stage | None:
        """The last stage where it was seen."""
        seen = [point.stage for point in self.points if point.status in {Status.SEEN, Status.DROPPED}]
        return seen[-1] if seen else None

    @property
    def is_dropped(self) -> bool:
        """Whether a source shows that it was dropped."""
        return any(point.status is Status.DROPPED for point in self.points)

    @property
    def contradictions(self) -> tuple[str, ...]:
        """Contradictions between two sources, a sentence each."""
        contradictions = []
        dropped = [point for point in self.points if point.status is Status.DROPPED]
        if dropped and self.last_seen is not dropped[0].stage:
            by = ", ".join(next(point for point in self.points if point.stage is self.last_seen).seen_by)
            contradictions.append(f"{dropped[0].seen_by[0]} has it dropped at confirm, {by} has it {self.last_seen}")
        contradictions += [
            f"{' and '.join(point.seen_by)} has it {point.stage}, {' and '.join(point.missed_by)} has not"
            for point in self.points
            if point.seen_by and point.missed_by
        ]
        return tuple(contradictions)
