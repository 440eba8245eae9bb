"""A trial's lifelines as a timeline for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.commands.show import TrialShown
from lab.lifeline import Lifeline, Point, Status
from lab.report.figures import seconds
from lab.report.narrow import FittingTable

MARKS = {
    Status.SEEN: ("●", "green"),
    Status.DROPPED: ("✗", "bold red"),
    Status.NOT_SEEN: ("○", "yellow"),
    Status.NOT_TRACED: ("?", "dim"),
    Status.NOT_ON_WAY: ("-", "dim"),
}


def timeline(data: TrialShown) -> RenderableType:
    """Give everything that is known of a trial, query by query, in the order in which they were sent."""
    verdict = data.verdict
    head = Text(f"{data.name}: {verdict.outcome}", style="bold")
    lines = verdict.lifelines
    start_s = next((line.start_s for line in lines if line.start_s is not None), None)
    parts: list[RenderableType] = [head, Text(verdict.reason), ""]
    for line in lines:
        parts += [_title(line), _table(line, start_s), ""]
    if not verdict.gathered:
        parts.append(Text("No evidence was gathered beside this trial: lab run --evidence follows every packet."))
    return Group(*parts, *_rest(data), Text(f"raw files in {data.path}", style="dim"))


def _title(line: Lifeline) -> Text:
    again = f", sent again ({line.attempt})" if line.attempt > 1 else ""
    title = Text(
        f"{line.qtype or 'unknown'} query, id {line.dns_id}, from port {line.sport or 'unknown'}{again}", "bold"
    )
    if line.lost_at:
        title.append(f": lost, last seen {line.last_seen}", style="bold red")
    return title


def _table(line: Lifeline, start_s: float | None) -> Table:
    table = FittingTable(box=None, show_header=False, pad_edge=True, padding=(0, 1))
    for column in ("mark", "time", "within", "place"):
        table.add_column(column, justify="right" if column in {"time", "within"} else "left", no_wrap=True)
    table.add_column("told", overflow="fold")
    for point in line.points:
        if point.status is Status.NOT_ON_WAY:
            continue
        mark, style = MARKS[point.status]
        table.add_row(Text(mark, style), *_when(point, start_s), point.stage.value, _told(point))
    return table


def _when(point: Point, start_s: float | None) -> tuple[str, str]:
    if point.time_s is None or start_s is None:
        return "", ""
    within = f"±{seconds(point.within_s)}" if point.within_s >= 0.0005 else ""  # noqa: PLR2004  half of what is shown
    return f"{point.time_s - start_s:.3f} s", within


def _told(point: Point) -> Text:
    if point.status in {Status.NOT_SEEN, Status.NOT_TRACED}:
        return Text(point.status.value, style=MARKS[point.status][1])
    told = Text(point.detail)
    told.append(f"  [{', '.join(point.seen_by)}]", style="dim")
    if point.missed_by:
        told.append(f"  not by {', '.join(point.missed_by)}", style="red")
    return told


def _rest(data: TrialShown) -> Iterable[RenderableType]:
    evidence = data.evidence
    risen = {name: rise for name, rise in (evidence.counted.value or {}).items() if rise}
    if evidence.counted.value is not None:
        yield Text(f"conntrack's counters rose: {_rises(risen)}")
    if evidence.tool_counted.value is not None:
        by_tool = {name: rise for name, rise in evidence.tool_counted.value.items() if rise}
        yield Text(f"... and by conntrack -S: {_rises(by_tool)}")
    confirmed = [event for event in evidence.entries.value or () if event.kind == "NEW" and event.protocol == "udp"]
    if evidence.entries.value is not None:
        flows = [f"{event.original.src}:{event.original.sport} to {event.original.dst}" for event in confirmed]
        yield Text(f"entries confirmed (UDP): {_listed(flows)}")
    if evidence.modules.value is not None:
        yield Text(f"modules of netfilter: {_listed(evidence.modules.value)}", style="dim")
    for problem in evidence.verdicts.value.problems if evidence.verdicts.value else ():
        yield Text(f"the verdict program complains: {problem}", style="yellow")
    if evidence.traced.value is not None and evidence.traced.value.lost:
        yield Text(f"the kernel's trace lost {evidence.traced.value.lost} events", style="yellow")
    for line in evidence.not_gathered.value or ():
        yield Text(f"not gathered: {line}", style="yellow")


def _rises(risen: dict[str, int]) -> str:
    return ", ".join(f"{name} +{rise}" for name, rise in risen.items()) or "none"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words) or "none"
