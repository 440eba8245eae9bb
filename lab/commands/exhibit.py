"""One trial with everything that is shown of it: lifelines, the raw lines they rest on, the counters."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from lab import verdict
from lab.catalogue.scenario import Scenario
from lab.evidence import counters, kernel, trial
from lab.evidence.counters import Reading
from lab.evidence.errors import UnreadableError
from lab.evidence.quotes import Quote, Quotes
from lab.evidence.resolver import ResolverEvent
from lab.evidence.trial import Evidence, Source
from lab.lifeline import Lifeline, Point, Status
from lab.review import Judged
from lab.sightings import NF_DROP, Stage
from lab.verdict import WAIT_SHARE

TELLING = ("insert_failed", "drop", "clashres", "clash_resolve")
"""The counters that people look at when packets are lost (net/netfilter/nf_conntrack_standalone.c)."""


@dataclass(frozen=True)
class Line:
    """A line of a tool's output that matters.

    Attributes:
        quote: The line.
        conntrack: Which of the trial's conntracks it is about, by its place among them; None for none.
        telling: Whether it shows what the trial is about: a wait in vain, a drop, a clash.
    """

    quote: Quote
    conntrack: int | None = None
    telling: bool = False


@dataclass(frozen=True)
class Wait:
    """A wait of the resolver's for an answer that did not come.

    Attributes:
        from_s: When it had last sent or read something, in seconds after the first query.
        until_s: When it gave up.
        quotes: What says so.
    """

    from_s: float
    until_s: float
    quotes: tuple[Quote, ...]


@dataclass(frozen=True)
class Exhibit:
    """A trial.

    Attributes:
        judged: Which it is, and how it was judged.
        start_s: When its first query was seen, by CLOCK_REALTIME, in seconds; None when that is not known.
        lifelines: The way of each query.
        conntracks: The addresses of the conntracks that its queries had, in the order in which they appear.
        quotes: What the points of the lifelines rest on, by raw file and line.
        waits: The resolver's waits in vain.
        hook: What the hook module logged.
        strace: What the resolver did.
        trace: What the kernel did.
        wire: What tcpdump captured.
        counters: Conntrack's counters before and after: those that rose, and those that people look at.
        not_there: What is missing, by raw file, and why.
    """

    judged: Judged
    start_s: float | None
    lifelines: tuple[Lifeline, ...]
    conntracks: tuple[int, ...]
    quotes: tuple[Quote, ...]
    waits: tuple[Wait, ...]
    hook: tuple[Line, ...]
    strace: tuple[Line, ...]
    trace: tuple[Line, ...]
    wire: tuple[Line, ...]
    counters: tuple[Reading, ...]
    not_there: dict[str, str]

    def after_s(self, time_s: float | None) -> float | None:
        """Give a moment in seconds after the first query; None when either is not known."""
        return None if time_s is None or self.start_s is None else time_s - self.start_s

    @property
    def moments_s(self) -> tuple[float, ...]:
        """Every moment at which something was seen, in seconds after the first query."""
        times_s = [point.time_s for line in self.lifelines for point in line.points if is_placed(point)]
        waited_s = [moment_s for wait in self.waits for moment_s in (wait.from_s, wait.until_s)]
        return (*(after_s for time_s in times_s if (after_s := self.after_s(time_s)) is not None), *waited_s)


PLACED_WITHIN_S = 0.025
"""A point whose time is less well known than this says nothing of the order in which things happened."""


def is_placed(point: Point) -> bool:
    """Tell whether a point's time is known well enough to put it on a line."""
    return point.time_s is not None and point.within_s <= PLACED_WITHIN_S


def of_trial(judged: Judged, scenario: Scenario) -> Exhibit:
    """Put together what is shown of a trial."""
    evidence = trial.read(judged.path)
    lifelines = verdict.judge(evidence, scenario).lifelines
    quotes = Quotes(judged.path)
    start_s = next((line.start_s for line in lifelines if line.start_s is not None), None)
    steps = kernel.steps(evidence.traced.value) if evidence.traced.value else ()
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


def _conntracks(evidence: Evidence, steps: Iterable[kernel.Step]) -> tuple[int, ...]:
    by_hook = [packet.ct for packet in evidence.queued.value or ()]
    by_kernel = [step.ct for step in steps]
    return tuple(dict.fromkeys(ct for ct in (*by_hook, *by_kernel) if ct is not None))


def _points_quotes(lifelines: Iterable[Lifeline], quotes: Quotes) -> Iterator[Quote]:
    wanted = dict.fromkeys(line for each in lifelines for point in each.points for line in point.lines)
    return (quote for source, line in wanted if (quote := quotes.get(source, line)))


def _waits(evidence: Evidence, scenario: Scenario, start_s: float | None, quotes: Quotes) -> Iterator[Wait]:
    least_s = WAIT_SHARE * scenario.lookup.client.retry_s
    for event, later in pairwise(evidence.resolver.value or ()):
        if later.time_s - event.time_s >= least_s and start_s is not None:
            told = tuple(quote for line in _lines(later) if (quote := quotes.get("client.strace", line)))
            yield Wait(event.time_s - start_s, later.time_s - start_s, told)


def _place(ct: int | None, conntracks: tuple[int, ...]) -> int | None:
    return conntracks.index(ct) if ct in conntracks else None


def _hook(evidence: Evidence, conntracks: tuple[int, ...], quotes: Quotes) -> Iterator[Line]:
    for packet in evidence.queued.value or ():
        if quote := quotes.get("dmesg", packet.line):
            yield Line(quote, _place(packet.ct, conntracks))


def _lines(event: ResolverEvent) -> tuple[int, ...]:
    return tuple(dict.fromkeys((event.line, event.last_line)))


def _strace(evidence: Evidence, scenario: Scenario, quotes: Quotes) -> Iterator[Line]:
    """Give the resolver's calls on its sockets, those that waited in vain marked."""
    least_s = WAIT_SHARE * scenario.lookup.client.retry_s
    told: dict[int, bool] = {}
    before_s: float | None = None
    for event in evidence.resolver.value or ():
        looked_only = event.kind == "timed_out" and event.timeout_s == 0
        waited = before_s is not None and event.time_s - before_s >= least_s
        before_s = event.time_s
        for line in () if looked_only else _lines(event):
            told[line] = told.get(line, False) or waited
    for line, telling in sorted(told.items()):
        if quote := quotes.get("client.strace", line):
            yield Line(quote, telling=telling)


def _trace(steps: Iterable[kernel.Step], conntracks: tuple[int, ...], quotes: Quotes) -> Iterator[Line]:
    for step in steps:
        for line in (step.line, *step.ended):
            if quote := quotes.get("trace", line):
                telling = line in step.ended and (step.clashed or step.returned == NF_DROP)
                yield Line(quote, _place(step.ct, conntracks), telling=telling)


def _wire(evidence: Evidence, quotes: Quotes) -> Iterator[Line]:
    for packet in evidence.wire.value or ():
        if quote := quotes.get("client.pcap", packet.number):
            yield Line(quote)


def _counters(directory: Path) -> tuple[Reading, ...]:
    try:
        before, after = (counters.stat((directory / f"stat.{when}").read_text()) for when in ("before", "after"))
        readings = counters.readings(before, after)
    except (OSError, UnreadableError, UnicodeDecodeError):
        return ()
    return tuple(reading for reading in readings if reading.name in TELLING or reading.after > reading.before)


FILES = {
    "queued": "dmesg",
    "verdicts": "verdict.jsonl",
    "resolver": "client.strace",
    "traced": "trace",
    "wire": "client.pcap",
    "server_wire": "server.pcap",
    "served": "dnsmasq.log",
    "counted": "stat.before",
}
"""The raw file of each source whose absence leaves a gap in what is shown."""


def _not_there(evidence: Evidence, quotes: Quotes) -> dict[str, str]:
    sources = {field.name: getattr(evidence, field.name) for field in dataclasses.fields(evidence)}
    return {
        quotes.name(file): source.problem
        for name, file in FILES.items()
        if isinstance(source := sources[name], Source) and source.problem
    }


def local_out_s(line: Lifeline) -> tuple[float, float] | None:
    """Give between which two moments a query passed LOCAL_OUT, by CLOCK_REALTIME; None when that is not known.

    Nothing traces it there. It was sent before, and at the hook it has the conntrack that it was given there
    (nf_conntrack_in, net/netfilter/nf_conntrack_core.c).
    """
    points = {point.stage: point for point in line.points}
    sent, queued = points[Stage.SENT], points[Stage.QUEUED]
    if sent.time_s is None or queued.time_s is None or queued.status is not Status.SEEN:
        return None
    return min(sent.time_s, queued.time_s), queued.time_s
