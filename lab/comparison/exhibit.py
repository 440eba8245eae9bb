"""Collects everything displayed of one trial: lifelines, the quoted raw lines, the counters."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from lab.catalogue.scenario import Scenario
from lab.comparison.review import Judged
from lab.evidence import counters, kernel
from lab.evidence.constants import CLASH_RESOLVE, CLASHRES, DROP, INSERT_FAILED, NF_DROP
from lab.evidence.counters import CounterTotal
from lab.evidence.errors import UnreadableError
from lab.evidence.quotes import Quote, Quotes
from lab.evidence.resolver import ResolverEvent
from lab.evidence.trial import Evidence, Source
from lab.foundation import regular
from lab.judgement.judged import judge_trial
from lab.judgement.lifeline import Lifeline, Point, Status
from lab.judgement.sightings import Stage
from lab.judgement.verdict import WAIT_SHARE

LOSS_COUNTERS = (INSERT_FAILED, DROP, CLASHRES, CLASH_RESOLVE)
"""The counters that are relevant for lost packets (net/netfilter/nf_conntrack_standalone.c)."""


@dataclass(frozen=True)
class ToolLine:
    """A relevant line of a tool's output.

    Attributes:
        quote: The line.
        conntrack: The index of its conntrack among the trial's conntracks; None without one.
        telling: Whether the line shows the decisive event: a timeout, a drop, a clash.
    """

    quote: Quote
    conntrack: int | None = None
    telling: bool = False


@dataclass(frozen=True)
class Wait:
    """A wait of the resolver that ended in a timeout.

    Attributes:
        from_s: When the resolver last sent or read a message, in seconds after the first query.
        until_s: When it timed out, in seconds after the first query.
        quotes: The quoted evidence.
    """

    from_s: float
    until_s: float
    quotes: tuple[Quote, ...]


@dataclass(frozen=True)
class Exhibit:
    """Everything displayed of one trial.

    Attributes:
        judged: The trial and its verdict.
        start_s: When its first query was seen, CLOCK_REALTIME in seconds; None when it is unknown.
        lifelines: The lifeline of each query.
        conntracks: The addresses of the queries' conntracks, in order of appearance.
        quotes: The quoted evidence of the lifelines' points.
        waits: The resolver's timeouts.
        hook: Lines of the hook module's log.
        strace: Lines of the resolver's system calls.
        trace: Lines of the kernel's trace.
        wire: Packets captured by tcpdump.
        counters: Conntrack's counters before and after: those that rose, and the relevant ones.
        not_there: The missing raw files with reasons.
    """

    judged: Judged
    start_s: float | None
    lifelines: tuple[Lifeline, ...]
    conntracks: tuple[int, ...]
    quotes: tuple[Quote, ...]
    waits: tuple[Wait, ...]
    hook: tuple[ToolLine, ...]
    strace: tuple[ToolLine, ...]
    trace: tuple[ToolLine, ...]
    wire: tuple[ToolLine, ...]
    counters: tuple[CounterTotal, ...]
    not_there: dict[str, str]

    def after_s(self, time_s: float | None) -> float | None:
        """Convert a time to seconds after the first query; None when either is unknown."""
        return None if time_s is None or self.start_s is None else time_s - self.start_s

    @property
    def moments_s(self) -> tuple[float, ...]:
        """The times of all displayed events, in seconds after the first query."""
        times_s = [point.time_s for line in self.lifelines for point in line.points if is_placed(point)]
        waited_s = [moment_s for wait in self.waits for moment_s in (wait.from_s, wait.until_s)]
        return (*(after_s for time_s in times_s if (after_s := self.after_s(time_s)) is not None), *waited_s)


PLACED_WITHIN_S = 0.025
"""Maximum error of a displayed time, in seconds; with a greater error the order of events is unknown."""


def is_placed(point: Point) -> bool:
    """Return whether a point's time is known well enough to be displayed on a time axis."""
    return point.time_s is not None and point.within_s <= PLACED_WITHIN_S


def build_exhibit(judged: Judged, scenario: Scenario) -> Exhibit:
    """Collect everything displayed of a trial."""
    verdict, evidence = judge_trial(judged.path, scenario)
    lifelines = verdict.lifelines
    quotes = Quotes(judged.path)
    start_s = next((line.start_s for line in lifelines if line.start_s is not None), None)
    steps = kernel.extract_steps(evidence.traced.value) if evidence.traced.value else ()
    conntracks = _conntracks(evidence, steps)
    return Exhibit(
        judged=judged,
        start_s=start_s,
        lifelines=lifelines,
        conntracks=conntracks,
        quotes=tuple(_points_quotes(lifelines, quotes)),
        waits=tuple(_waits(evidence, scenario, start_s, quotes)),
        hook=tuple(_hook(evidence, conntracks, quotes)),
        strace=tuple(_strace(evidence, scenario, quotes)),
        trace=tuple(_trace(steps, conntracks, quotes)),
        wire=tuple(_wire(evidence, quotes)),
        counters=_counters(judged.path),
        not_there=_not_there(evidence, quotes),
    )


def _conntracks(evidence: Evidence, steps: Iterable[kernel.PacketStep]) -> tuple[int, ...]:
    by_hook = [packet.ct for packet in evidence.queued.value or ()]
    by_kernel = [step.ct for step in steps]
    return tuple(dict.fromkeys(ct for ct in (*by_hook, *by_kernel) if ct is not None))


def _points_quotes(lifelines: Iterable[Lifeline], quotes: Quotes) -> Iterator[Quote]:
    wanted = dict.fromkeys(line for each in lifelines for point in each.points for line in point.lines)
    return (quote for source, line in wanted if (quote := quotes.get(source, line)))


def _waits(evidence: Evidence, scenario: Scenario, start_s: float | None, quotes: Quotes) -> Iterator[Wait]:
    least_s = WAIT_SHARE * scenario.retry_s
    for event, later in pairwise(evidence.resolver.value or ()):
        if later.time_s - event.time_s >= least_s and start_s is not None:
            wait_quotes = tuple(quote for line in _lines(later) if (quote := quotes.get("client.strace", line)))
            yield Wait(event.time_s - start_s, later.time_s - start_s, wait_quotes)


def _place(ct: int | None, conntracks: tuple[int, ...]) -> int | None:
    return conntracks.index(ct) if ct in conntracks else None


def _hook(evidence: Evidence, conntracks: tuple[int, ...], quotes: Quotes) -> Iterator[ToolLine]:
    for packet in evidence.queued.value or ():
        if quote := quotes.get("dmesg", packet.line):
            yield ToolLine(quote, _place(packet.ct, conntracks))


def _lines(event: ResolverEvent) -> tuple[int, ...]:
    return tuple(dict.fromkeys((event.line, event.last_line)))


def _strace(evidence: Evidence, scenario: Scenario, quotes: Quotes) -> Iterator[ToolLine]:
    """Yield the resolver's calls on its sockets; those that ended a timeout are marked as telling."""
    least_s = WAIT_SHARE * scenario.retry_s
    lines: dict[int, bool] = {}
    before_s: float | None = None
    for event in evidence.resolver.value or ():
        looked_only = event.kind == "timed_out" and event.timeout_s == 0
        waited = before_s is not None and event.time_s - before_s >= least_s
        before_s = event.time_s
        for line in () if looked_only else _lines(event):
            lines[line] = lines.get(line, False) or waited
    for line, telling in sorted(lines.items()):
        if quote := quotes.get("client.strace", line):
            yield ToolLine(quote, telling=telling)


def _trace(steps: Iterable[kernel.PacketStep], conntracks: tuple[int, ...], quotes: Quotes) -> Iterator[ToolLine]:
    for step in steps:
        for line in (step.line, *step.ended):
            if quote := quotes.get("trace", line):
                telling = line in step.ended and (step.clashed or step.returned == NF_DROP)
                yield ToolLine(quote, _place(step.ct, conntracks), telling=telling)


def _wire(evidence: Evidence, quotes: Quotes) -> Iterator[ToolLine]:
    for packet in evidence.wire.value or ():
        if quote := quotes.get("client.pcap", packet.number):
            yield ToolLine(quote)


def _counters(directory: Path) -> tuple[CounterTotal, ...]:
    try:
        before, after = (counters.parse_stat(regular.text(directory / f"stat.{when}")) for when in ("before", "after"))
        readings = counters.pair_readings(before, after)
    except (OSError, UnreadableError):
        return ()
    return tuple(reading for reading in readings if reading.name in LOSS_COUNTERS or reading.after > reading.before)


FILES = {
    "queued": "dmesg",
    "verdicts": "verdict.jsonl",
    "resolver": "client.strace",
    "traced": "trace",
    "arrived": "inside.pcap",
    "wire": "client.pcap",
    "server_wire": "server.pcap",
    "served": "dnsmasq.log",
    "counted": "stat.before",
}
"""The raw file of each source whose absence is displayed."""


def _not_there(evidence: Evidence, quotes: Quotes) -> dict[str, str]:
    sources = {field.name: getattr(evidence, field.name) for field in dataclasses.fields(evidence)}
    return {
        quotes.name(file): source.problem
        for name, file in FILES.items()
        if isinstance(source := sources[name], Source) and source.problem and (name != "arrived" or evidence.is_behind)
    }


def local_out_s(line: Lifeline) -> tuple[float, float] | None:
    """Return the interval in which a query passed LOCAL_OUT, CLOCK_REALTIME in seconds; None when it is unknown.

    A query of a client behind the lane does not pass it there. LOCAL_OUT itself is not traced. The query was sent
    before it, and at the hook it has the conntrack created there (nf_conntrack_in, net/netfilter/nf_conntrack_core.c).
    """
    points = {point.stage: point for point in line.points}
    sent, queued = points[Stage.SENT], points[Stage.QUEUED]
    if Stage.ARRIVED in points or sent.time_s is None or queued.time_s is None or queued.status is not Status.SEEN:
        return None
    return min(sent.time_s, queued.time_s), queued.time_s
