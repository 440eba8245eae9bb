"""Builds one lifeline for each attempt of each DNS query from the sightings of all sources."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lab.judgement.lifeline import Lifeline, Point, Status
from lab.judgement.sightings import Sighting, Stage

T = TypeVar("T")

SLACK_S = 0.005
"""Tolerance in seconds: strace timestamps late, so a query may be seen elsewhere this long before it was sent."""

BASES = (
    ("client.strace", Stage.SENT),
    ("inside.pcap", Stage.ARRIVED),
    ("trace", Stage.ARRIVED),
    ("dmesg", Stage.QUEUED),
    ("verdict.jsonl", Stage.QUEUED),
    ("trace", Stage.QUEUED),
    ("trace", Stage.WIRE),
    ("client.pcap", Stage.WIRE),
    ("server.pcap", Stage.SERVER),
)
"""Sources and stages that count the attempts of a query; the first one that shows the query is used."""

BEYOND_LOOPBACK = frozenset({Stage.ARRIVED, Stage.QUEUED, Stage.VERDICT, Stage.WIRE, Stage.SERVER, Stage.ANSWER})
"""Stages that a query to a server on the loopback does not pass: it is not transmitted, and no rule queues it."""

PATIENCE_S = 0.5
"""A source proves that a query is absent only if it still shows other queries this many seconds after the query was
sent. An answer takes milliseconds here, and clients retransmit after seconds."""

PROGRAM = "verdict.jsonl"
"""The verdict program's log: a queue that is full, or whose program has died, drops packets that it never has."""

FOLLOWS_ONE = "client.strace"
"""The source that traces only the client: it does not show the answers to other programs' queries."""

IN_CONNTRACK = frozenset({Stage.QUEUED, Stage.VERDICT, Stage.CONFIRM})
"""Stages that a query over TCP does not pass: its connection was confirmed before."""


@dataclass(frozen=True)
class Route:
    """What is known of the route of a trial's queries.

    Attributes:
        queues: Whether queries are sent to NFQUEUE.
        behind: Whether the client is behind the lane.
        loses: Whether queued packets may not reach the verdict program, whose log is complete.
    """

    queues: bool
    behind: bool = False
    loses: bool = False

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages in order."""
        return tuple(stage for stage in Stage if self.behind or stage is not Stage.ARRIVED)


def build_lifelines(
    sightings: Sequence[Sighting], route: Route, *, cut_off: Collection[str] = ()
) -> tuple[Lifeline, ...]:
    """Build the lifelines of a trial's queries, in order of their sending.

    Args:
        sightings: The sightings of all sources.
        route: The route of its queries.
        cut_off: Truncated sources.
    """
    attempts = _attempts(sightings, cut_off)
    watch = _Watch(sighting for sighting in sightings if sighting.source not in cut_off)
    if route.loses:
        watch.follow(PROGRAM, Stage.VERDICT)
    lifelines = [
        lifeline
        for dns_id, starts in attempts.items()
        for lifeline in _build_query_lifelines(dns_id, starts, sightings, watch, route)
    ]
    return tuple(sorted(lifelines, key=lambda lifeline: (lifeline.start_s or 0.0, lifeline.attempt)))


class _Watch:
    """The sources that cover each stage, and until when.

    A source without any query at a stage may be broken, and one that ends early may be truncated: only a source that
    still shows other queries proves that a query is absent.
    """

    def __init__(self, sightings: Iterable[Sighting]) -> None:
        self._places: dict[Stage, set[str]] = defaultdict(set)
        self._last_s: dict[str, float] = defaultdict(lambda: -math.inf)
        for sighting in sightings:
            self._places[sighting.stage].add(sighting.source)
            time_s = math.inf if sighting.time_s is None else sighting.time_s + sighting.within_s
            self._last_s[sighting.source] = max(time_s, self._last_s[sighting.source])

    def follow(self, source: str, stage: Stage) -> None:
        """Trust that a source shows every query at a stage, even if it shows none."""
        self._places[stage].add(source)
        self._last_s[source] = math.inf

    def over(self, stage: Stage, time_s: float | None) -> set[str]:
        """Return the sources that cover a stage and still show queries at a time; none for an unknown time."""
        return {source for source in self._places[stage] if time_s is not None and self._last_s[source] >= time_s}


def _attempts(sightings: Iterable[Sighting], cut_off: Collection[str]) -> dict[int, list[Sighting]]:
    """Return the attempts of each DNS id, by the first source that shows it; truncated sources are tried last.

    The first source does not show every query: strace follows the client, not a cache that forwards.
    """
    attempts: dict[int, list[Sighting]] = {}
    for base in sorted(BASES, key=lambda base: base[0] in cut_off):
        own: dict[int, list[Sighting]] = defaultdict(list)
        for sighting in sightings:
            if (sighting.source, sighting.stage) == base and sighting.dns_id is not None:
                own[sighting.dns_id].append(sighting)
        attempts = own | attempts
    return attempts


def _build_query_lifelines(
    dns_id: int,
    starts: Sequence[Sighting],
    sightings: Sequence[Sighting],
    watch: _Watch,
    route: Route,
) -> Iterator[Lifeline]:
    own = [sighting for sighting in sightings if sighting.dns_id == dns_id]
    qtype = _first(sighting.qtype for sighting in own)
    # Two sockets may use the same id.
    sports = {sighting.sport for sighting in own if sighting.sport is not None}
    # A source without ids identifies queries by port and type, or by type only if it is unique: an older dnsmasq logs
    # no port. Not all sources have these.
    nameless = [sighting for sighting in sightings if sighting.dns_id is None]
    shared = any(sighting.qtype == qtype and sighting.dns_id not in {dns_id, None} for sighting in sightings)
    named = [
        sighting
        for sighting in nameless
        if sighting.qtype == qtype and (sighting.sport in sports or (sighting.sport is None and not shared))
    ]
    starts = _add_unqueued(_add_dropped(starts, own + named), own)
    placed, unplaced = _assign(starts, own + named)
    unknown = not sports or qtype is None
    unplaced |= {(one.source, one.stage) for one in nameless if unknown or (one.sport is None and shared)}
    if not any(sighting.source == FOLLOWS_ONE for sighting in own):
        unplaced |= {(FOLLOWS_ONE, stage) for stage in Stage}
    if route.loses:
        unplaced.add((PROGRAM, Stage.QUEUED))
    for attempt, start in enumerate(starts):
        points = []
        for stage in route.stages:
            there = [sighting for sighting in placed[attempt] if sighting.stage is stage]
            silent = {source for source, where in unplaced if where is stage}
            points.append(
                _make_point(
                    stage, there, watch, silent, start_s=start.time_s, expected=_is_expected(stage, own, route.queues)
                )
            )
        sport = _first(sighting.sport for sighting in placed[attempt])
        yield Lifeline(dns_id, qtype, sport, attempt + 1, tuple(points))


def _is_expected(stage: Stage, own: Iterable[Sighting], queues: bool) -> bool:  # noqa: FBT001  as in the scenario
    """Return whether a query passes a stage, so that a source there must show it."""
    if any((sighting.server or "").startswith("127.") for sighting in own) and stage in BEYOND_LOOPBACK:
        return False
    over_tcp = any(sighting.detail.startswith("tcp") for sighting in own)
    return stage not in IN_CONNTRACK or (not over_tcp and (queues or stage is Stage.CONFIRM))


def _add_dropped(starts: Sequence[Sighting], sightings: Iterable[Sighting]) -> Sequence[Sighting]:
    """Add the attempts that never reached the stage of the others: the wire shows none that confirm dropped."""
    dropped = [sighting for sighting in sightings if sighting.dropped]
    if starts[0].stage in {Stage.SENT, Stage.ARRIVED, Stage.QUEUED} or any(
        start.time_s is None for start in (*starts, *dropped)
    ):
        return starts
    return sorted((*dropped, *starts), key=lambda start: start.time_s or 0.0)


def _add_unqueued(starts: Sequence[Sighting], sightings: Iterable[Sighting]) -> Sequence[Sighting]:
    """Add the attempts that the trace shows without a queue: a rule for new flows queues no retransmitted query."""
    if starts[0].source != "trace" or starts[0].stage is not Stage.QUEUED:
        return starts
    traced = [one for one in sightings if one.source == "trace" and one.time_s is not None]
    attempts: list[Sighting] = []
    is_over = True
    for one in sorted(traced, key=lambda sighting: sighting.time_s or 0.0):
        if one.stage is Stage.QUEUED or (one.stage is Stage.WIRE and is_over):
            attempts.append(one)
        is_over = one.dropped or one.stage is Stage.WIRE
    return attempts


def _assign(
    starts: Sequence[Sighting], sightings: Sequence[Sighting]
) -> tuple[list[list[Sighting]], set[tuple[str, Stage]]]:
    """Assign a query's sightings to its attempts; also return the sources and stages that cannot be assigned."""
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
            # Without a common clock, but with one sighting per attempt: assign them in order.
            for own, sighting in zip(placed, group, strict=True):
                own.append(sighting)
        else:
            unplaced.add(key)
    return placed, unplaced


def _attempt_at(sighting: Sighting, starts: Sequence[Sighting]) -> int:
    latest_s = (sighting.time_s or 0.0) + sighting.within_s + SLACK_S
    begun = [number for number, start in enumerate(starts) if (start.time_s or 0.0) <= latest_s]
    return begun[-1] if begun else 0


def _make_point(  # noqa: PLR0913  all are needed
    stage: Stage, own: Sequence[Sighting], watch: _Watch, silent: set[str], *, start_s: float | None, expected: bool
) -> Point:
    seen_by = tuple(dict.fromkeys(sighting.source for sighting in own))
    if not own:
        later_s = None if start_s is None else start_s + PATIENCE_S
        silence = Status.NOT_SEEN if watch.over(stage, later_s) - silent else Status.NOT_TRACED
        return Point(stage, silence if expected else Status.NOT_ON_WAY, None, 0.0, (), (), "")
    status = Status.DROPPED if any(sighting.dropped for sighting in own) else Status.SEEN
    # The most exact time is used.
    best = min(own, key=lambda sighting: (sighting.time_s is None, sighting.within_s))
    detail = "; ".join(dict.fromkeys(sighting.detail for sighting in own if sighting.detail))
    # Two queries are sent in one call: a source truncated between them did not miss the second.
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
