"""Formats a trial's lifelines as a timeline for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.foundation.language import N_
from lab.judgement.lifeline import Lifeline, Point, Status
from lab.present.figures import seconds
from lab.present.text.narrow import FittingTable
from lab.present.text.spoken import in_report, line, spoken
from lab.present.text.tables import machine_line

if TYPE_CHECKING:
    from lab.commands.show import TrialShown

MARKS = {
    Status.SEEN: ("●", "green"),
    Status.DROPPED: ("✗", "bold red"),
    Status.NOT_SEEN: ("○", "yellow"),
    Status.NOT_TRACED: ("?", "dim"),
    Status.NOT_ON_WAY: ("-", "dim"),
}

_UNSEEN = {Status.NOT_SEEN: N_("not seen"), Status.NOT_TRACED: N_("not traced")}


def timeline(data: TrialShown) -> RenderableType:
    """Return a trial: its outcome, the path of each query in the order of sending, and counters."""
    verdict = data.verdict
    head = Text(f"{data.name}: {verdict.outcome}", style="bold")
    lines = verdict.lifelines
    start_s = next((each.start_s for each in lines if each.start_s is not None), None)
    about = [machine_line(data.machine, data.ran_on)] if data.ran_on else []
    parts: list[RenderableType] = [head, line(verdict.reason), *about]
    if verdict.gathered:
        parts += [part for each in lines for part in ("", _title(each), _table(each, start_s))]
        parts.append("")
    else:
        parts += [*_armed(verdict.armed), _summary(lines)]
        parts.append(line("This trial has no evidence: lab run --evidence follows every packet."))
    return Group(*parts, *_rest(data), line(f"raw files in {data.path}", "dim"))


def _armed(armed: bool | None) -> Iterable[RenderableType]:  # noqa: FBT001  a verdict's field
    if armed is not None:
        yield line("armed: two queries had different conntracks at once" if armed else "not armed")


def _summary(lines: Iterable[Lifeline]) -> Table:
    """Return a table with a row per query: the places where it was seen."""
    table = FittingTable(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("query", "seen"):
        table.add_column(column, overflow="fold")
    for query in lines:
        seen = [in_report(point.stage.value) for point in query.points if point.status in {Status.SEEN, Status.DROPPED}]
        again = spoken(f", sent again ({query.attempt})") if query.attempt > 1 else ""
        name = line(f"{query.qtype or 'unknown'} query, id {query.dns_id}").append(again)
        table.add_row(name, Text(", ".join(seen)))
    return table


def _title(query: Lifeline) -> Text:
    title = line(f"{query.qtype or 'unknown'} query, id {query.dns_id}, from port {query.sport or 'unknown'}", "bold")
    if query.attempt > 1:
        title.append(spoken(f", sent again ({query.attempt})"), style="bold")
    if query.lost_at:
        last = in_report(query.last_seen.value) if query.last_seen else query.last_seen
        title.append(spoken(f": lost, last seen {last}"), style="bold red")
    return title


def _table(query: Lifeline, start_s: float | None) -> Table:
    table = FittingTable(box=None, show_header=False, pad_edge=True, padding=(0, 1))
    for column in ("mark", "time", "within", "place"):
        table.add_column(column, justify="right" if column in {"time", "within"} else "left", no_wrap=True)
    table.add_column("detail", overflow="fold")
    for point in query.points:
        if point.status is Status.NOT_ON_WAY:
            continue
        mark, style = MARKS[point.status]
        table.add_row(Text(mark, style), *_when(point, start_s), in_report(point.stage.value), _detail(point))
    return table


def _when(point: Point, start_s: float | None) -> tuple[str, str]:
    if point.time_s is None or start_s is None:
        return "", ""
    within = f"±{seconds(point.within_s)}" if point.within_s >= 0.0005 else ""  # noqa: PLR2004  half of the last digit shown
    return f"{point.time_s - start_s:.3f} s", within


def _detail(point: Point) -> Text:
    if point.status in _UNSEEN:
        return line(_UNSEEN[point.status], MARKS[point.status][1])
    detail = line(point.detail)
    detail.append(f"  [{', '.join(point.seen_by)}]", style="dim")
    if point.missed_by:
        detail.append("  ").append(line(f"not by {', '.join(point.missed_by)}", "red"))
    return detail


def _rest(data: TrialShown) -> Iterable[RenderableType]:
    evidence = data.evidence
    risen = {name: rise for name, rise in (evidence.counted.value or {}).items() if rise}
    if evidence.counted.value is not None:
        yield line(f"conntrack's counters rose: {_rises(risen)}")
    if evidence.tool_counted.value is not None:
        by_tool = {name: rise for name, rise in evidence.tool_counted.value.items() if rise}
        yield line(f"... and by conntrack -S: {_rises(by_tool)}")
    confirmed = [event for event in evidence.entries.value or () if event.kind == "NEW" and event.protocol == "udp"]
    if evidence.entries.value is not None:
        flows = [f"{event.original.src}:{event.original.sport} to {event.original.dst}" for event in confirmed]
        yield line(f"entries confirmed (UDP): {_listed(flows)}")
    if evidence.modules.value is not None:
        yield line(f"netfilter modules: {_listed(evidence.modules.value)}", "dim")
    for problem in evidence.verdicts.value.problems if evidence.verdicts.value else ():
        yield line(f"the verdict program reports: {problem}", "yellow")
    if evidence.traced.value is not None and evidence.traced.value.lost:
        yield line(f"the kernel's trace lost {evidence.traced.value.lost} events", "yellow")
    for source, count in evidence.strangers.items():
        message = (
            f"left out of {source}: 1 query that did not come from this lane"
            if count == 1
            else f"left out of {source}: {count} queries that did not come from this lane"
        )
        yield line(message, "dim")
    if evidence.trace_clock.value is not None:
        yield line(f"the kernel's trace uses the clock '{evidence.trace_clock.value}'", "dim")
    for lack in evidence.not_gathered.value or ():
        yield line(f"not gathered: {lack}", "yellow")


def _rises(risen: dict[str, int]) -> str:
    return ", ".join(f"{name} +{rise}" for name, rise in risen.items()) or spoken("none")


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words) or spoken("none")
