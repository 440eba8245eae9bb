"""The way of each DNS query: where it was seen alive, and where it was lost."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from lab.sightings import Sighting, Stage

T = TypeVar("T")

SLACK_S = 0.005
"""A source that stamps after the fact (strace) may say that a query was sent this much after it was seen elsewhere."""

BASES = (
    ("client.strace", Stage.SENT),
    ("dmesg", Stage.QUEUED),
    ("verdict.jsonl", Stage.QUEUED),
    ("trace", Stage.QUEUED),
    ("trace", Stage.WIRE),
    ("client.pcap", Stage.WIRE),
    ("server.pcap", Stage.SERVER),
)
"""Who says how often a query was sent: the first of these that says anything."""

BEYOND_LOOPBACK = frozenset({Stage.QUEUED, Stage.VERDICT, Stage.WIRE, Stage.SERVER, Stage.ANSWER})
"""Where a query to a server on the loopback need not be seen: it leaves by no wire, and no rule for one takes it."""

PATIENCE_S = 0.5
"""For so long after a query was sent a source must go on seeing others before it can be said not to have seen that one.
An answer takes milliseconds here, and clients ask again after seconds."""

FOLLOWS_ONE = "client.strace"
"""The source that follows one program: of a query that it did not see sent, another's, it sees no answer read."""

IN_CONNTRACK = frozenset({Stage.QUEUED, Stage.VERDICT, Stage.CONFIRM})
"""What a query over TCP does not pass by itself: its connection has been confirmed long before."""


class Status(StrEnum):
    """What is known of a query at one place."""

    SEEN = "seen"
    DROPPED = "dropped"
    """It was there, and it ended there."""
    NOT_SEEN = "not seen"
    """Whoever sees queries there did not see this one."""
    NOT_TRACED = "not traced"
    """Nobody looked."""
    NOT_ON_WAY = "not on its way"


@dataclass(frozen=True)
class Point:
    """A query at one place.

    Attributes:
        stage: The place.
        status: What is known of it there.
        time_s: When, by CLOCK_REALTIME, in seconds; None when that is not known.
        within_s: How far off that may be, in seconds.
        seen_by: The sources that show it there.
        missed_by: Sources that show other queries there, and not this one.
        detail: What the sources say of it.
        ct: The address of the conntrack it had there; None when nobody says.
        returned: What confirm returned for it; None elsewhere.
        clashed: Whether confirm met a clash.
        lines: What says so: each raw file with a line's number, from 1, or a packet's in a capture.
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
    """One query, each time it was sent.

    Attributes:
        dns_id: Its DNS id.
        qtype: The type asked for; None when nobody says.
        sport: The port it comes from, likewise.
        attempt: The how-manieth time it was sent, from 1.
        points: One for each stage, in order.
    """

    dns_id: int
    qtype: str | None
    sport: int | None
    attempt: int
    points: tuple[Point, ...]

    @property
    def start_s(self) -> float | None:
        """When it was first seen, by CLOCK_REALTIME, in seconds; None when that is not known."""
        return next((point.time_s for point in self.points if point.time_s is not None), None)

    @property
    def lost_at(self) -> Stage | None:
        """Where it was lost; None when it was answered, or when nobody looked any further than where it was last seen.

        That is where it was dropped, or the first place after the last where it was seen at which it should have been.
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
        """The last place where it was seen."""
        seen = [point.stage for point in self.points if point.status in {Status.SEEN, Status.DROPPED}]
        return seen[-1] if seen else None

    @property
    def is_dropped(self) -> bool:
        """Whether a source says that it ended somewhere."""
        return any(point.status is Status.DROPPED for point in self.points)

    @property
    def contradictions(self) -> tuple[str, ...]:
        """What two sources say differently of it, a sentence each."""
        said = []
        dropped = [point for point in self.points if point.status is Status.DROPPED]
        if dropped and self.last_seen is not dropped[0].stage:
            by = ", ".join(next(point for point in self.points if point.stage is self.last_seen).seen_by)
            said.append(f"{dropped[0].seen_by[0]} has it dropped at confirm, {by} has it {self.last_seen}")
        said += [
            f"{' and '.join(point.seen_by)} has it {point.stage}, {' and '.join(point.missed_by)} has not"
            for point in self.points
            if point.seen_by and point.missed_by
        ]
        return tuple(said)


def of_sightings(sightings: Sequence[Sighting], *, queues: bool, cut_off: Collection[str] = ()) -> tuple[Lifeline, ...]:
    """Give the lifelines of a trial's queries, in the order in which they were sent.

    Args:
        sightings: What all sources show.
        queues: Whether queries are sent to NFQUEUE at all.
        cut_off: Sources whose end is missing.
    """
    attempts = _attempts(sightings, cut_off)
    watch = _Watch(sighting for sighting in sightings if sighting.source not in cut_off)
    found = [
        lifeline
        for dns_id, starts in attempts.items()
        for lifeline in _of_query(dns_id, starts, sightings, watch, queues=queues)
    ]
    return tuple(sorted(found, key=lambda lifeline: (lifeline.start_s or 0.0, lifeline.attempt)))


class _Watch:
    """Which sources see queries at which place, and until when.

    One that shows nothing there may be broken, and one that fell silent may be cut off: only what goes on seeing others
    can be said not to have seen this one.
    """

    def __init__(self, sightings: Iterable[Sighting]) -> None:
        self._places: dict[Stage, set[str]] = defaultdict(set)
        self._last_s: dict[str, float] = defaultdict(lambda: -math.inf)
        for sighting in sightings:
            self._places[sighting.stage].add(sighting.source)
            time_s = math.inf if sighting.time_s is None else sighting.time_s + sighting.within_s
            self._last_s[sighting.source] = max(time_s, self._last_s[sighting.source])

    def over(self, stage: Stage, time_s: float | None) -> set[str]:
        """Give the sources that see queries at a place, and still saw any at that time; none for an unknown time."""
        return {source for source in self._places[stage] if time_s is not None and self._last_s[source] >= time_s}


def _attempts(sightings: Iterable[Sighting], cut_off: Collection[str]) -> dict[int, list[Sighting]]:
    """Give for each DNS id every sending of it, by the first source that has it; one that was cut off comes last.

    Not every query is in the first: strace follows the client, and not a cache that asks on.
    """
    found: dict[int, list[Sighting]] = {}
    for base in sorted(BASES, key=lambda base: base[0] in cut_off):
        own: dict[int, list[Sighting]] = defaultdict(list)
        for sighting in sightings:
            if (sighting.source, sighting.stage) == base and sighting.dns_id is not None:
                own[sighting.dns_id].append(sighting)
        found = own | found
    return found


def _of_query(
    dns_id: int,
    starts: Sequence[Sighting],
    sightings: Sequence[Sighting],
    watch: _Watch,
    *,
    queues: bool,
) -> Iterator[Lifeline]:
    own = [sighting for sighting in sightings if sighting.dns_id == dns_id]
    qtype = _first(sighting.qtype for sighting in own)
    # An id may come twice, from two sockets.
    sports = {sighting.sport for sighting in own if sighting.sport is not None}
    # A source without ids tells queries apart by port and type: if it can, since not all sources know those.
    nameless = [sighting for sighting in sightings if sighting.dns_id is None]
    named = [sighting for sighting in nameless if sighting.sport in sports and sighting.qtype == qtype]
    starts = _with_dropped(starts, own + named)
    placed, unplaced = _placed(starts, own + named)
    if not sports or qtype is None:
        unplaced |= {(sighting.source, sighting.stage) for sighting in nameless}
    if not any(sighting.source == FOLLOWS_ONE for sighting in own):
        unplaced |= {(FOLLOWS_ONE, stage) for stage in Stage}
    for attempt, start in enumerate(starts):
        points = []
        for stage in Stage:
            there = [sighting for sighting in placed[attempt] if sighting.stage is stage]
            silent = {source for source, where in unplaced if where is stage}
            points.append(_point(stage, there, watch, silent, start_s=start.time_s, passes=_passes(stage, own, queues)))
        sport = _first(sighting.sport for sighting in placed[attempt])
        yield Lifeline(dns_id, qtype, sport, attempt + 1, tuple(points))


def _passes(stage: Stage, own: Iterable[Sighting], queues: bool) -> bool:  # noqa: FBT001  as the scenario says it
    """Tell whether a query is bound to be seen at a place if someone looks."""
    if any((sighting.server or "").startswith("127.") for sighting in own) and stage in BEYOND_LOOPBACK:
        return False
    over_tcp = any(sighting.detail.startswith("tcp") for sighting in own)
    return stage not in IN_CONNTRACK or (not over_tcp and (queues or stage is Stage.CONFIRM))


def _with_dropped(starts: Sequence[Sighting], sightings: Iterable[Sighting]) -> Sequence[Sighting]:
    """Add the sendings that never came to where these were seen: the wire is told of none that confirm dropped."""
    dropped = [sighting for sighting in sightings if sighting.dropped]
    if starts[0].stage in {Stage.SENT, Stage.QUEUED} or any(start.time_s is None for start in (*starts, *dropped)):
        return starts
    return sorted((*dropped, *starts), key=lambda start: start.time_s or 0.0)


def _placed(
    starts: Sequence[Sighting], sightings: Sequence[Sighting]
) -> tuple[list[list[Sighting]], set[tuple[str, Stage]]]:
    """Share what is known of a query out among its sendings; what cannot be shared out is named apart."""
    placed: list[list[Sighting]] = [[] for _ in starts]
    unplaced: set[tuple[str, Stage]] = set()
    groups: dict[tuple[str, Stage], list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        groups[sighting.source, sighting.stage].append(sighting)
    timed = all(start.time_s is not None for start in starts)
    for key, group in groups.items():
        if timed and all(sighting.time_s is not None for sighting in group):
            for sighting in group:
                placed[_attempt_at(sighting, starts)].append(sighting)
        elif len(group) == len(starts):
            # Without a common clock: as many as were sent, so one of each.
            for own, sighting in zip(placed, group, strict=True):
                own.append(sighting)
        else:
            unplaced.add(key)
    return placed, unplaced


def _attempt_at(sighting: Sighting, starts: Sequence[Sighting]) -> int:
    latest_s = (sighting.time_s or 0.0) + sighting.within_s + SLACK_S
    begun = [number for number, start in enumerate(starts) if (start.time_s or 0.0) <= latest_s]
    return begun[-1] if begun else 0


def _point(  # noqa: PLR0913  what is known, each by name
    stage: Stage, own: Sequence[Sighting], watch: _Watch, silent: set[str], *, start_s: float | None, passes: bool
) -> Point:
    seen_by = tuple(dict.fromkeys(sighting.source for sighting in own))
    if not own:
        later_s = None if start_s is None else start_s + PATIENCE_S
        silence = Status.NOT_SEEN if watch.over(stage, later_s) - silent else Status.NOT_TRACED
        return Point(stage, silence if passes else Status.NOT_ON_WAY, None, 0.0, (), (), "")
    status = Status.DROPPED if any(sighting.dropped for sighting in own) else Status.SEEN
    # The one that knows the time best speaks for all.
    best = min(own, key=lambda sighting: (sighting.time_s is None, sighting.within_s))
    detail = "; ".join(dict.fromkeys(sighting.detail for sighting in own if sighting.detail))
    # Two queries are sent in one call: what was cut off between them saw nothing of the second when that came by.
    awake = watch.over(stage, start_s if best.time_s is None else best.time_s)
    missed_by = tuple(sorted(awake - silent - set(seen_by)))
    return Point(
        stage,
        status,
        best.time_s,
        best.within_s,
        seen_by,
        missed_by,
        detail,
        ct=_first(sighting.ct for sighting in own),
        returned=_first(sighting.returned for sighting in own),
        clashed=any(sighting.clashed for sighting in own),
        lines=tuple(dict.fromkeys((sighting.source, line) for sighting in own for line in sighting.lines)),
    )


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
