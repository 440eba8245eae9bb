"""A watch as text for a terminal: stalls, the table while it goes on, the result, and the comparison of two."""

from __future__ import annotations

import statistics

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.diagnosis.conclusion import Answer
from lab.foundation.printable import cleaned
from lab.present import watch_words
from lab.present.figures import fine_interval, seconds, share
from lab.present.text.tables import fitting, verbatim
from lab.watch.before_after import WatchesCompared
from lab.watch.result import StallSeen, TraceState, Watched

_STYLES = {Answer.THIS_BUG: "yellow", Answer.CANNOT_TELL: "", Answer.ANOTHER_CAUSE: "cyan", Answer.NOT_HERE: "cyan"}

ROWS_MAX = 15
"""Most rows of the table while it goes on."""


def stall(data: StallSeen) -> Text:
    """Return one stall as a line."""
    one = cleaned(data)
    clock = one.time.partition("T")[2].partition(".")[0]
    what = one.name or "a lookup"
    by = f" ({one.process})" if one.process else ""
    rose = ", ".join(f"{name} +{rise}" for name, rise in one.rose.items())
    line = Text.assemble(
        (f"{clock} ", "dim"), (f"{one.namespace}: ", "bold"), f"{what}{by} waited {one.waited_s:.1f} s: "
    )
    line.append(one.says, _STYLES[one.answer])
    line.append(" [dropped at confirm: seen]" if one.dropped_at_confirm else "", "bold")
    line.append(f" [{rose}]" if rose else "", "dim")
    return line.append(f"; files: {one.saved}" if one.saved else "", "dim")


def untraced(data: TraceState) -> Text:
    """Return why confirm is not traced, as a line."""
    return Text(watch_words.traced(cleaned(data)), "yellow")


def present(data: Watched) -> RenderableType:
    """Return the state of a watch that goes on."""
    shown = cleaned(data)
    traced = f"; {watch_words.traced(shown.trace)}" if shown.trace else ""
    line = f"watching for {watch_words.duration(shown.watched_s)}{traced}; Ctrl-C ends with the result"
    return Group(_table(shown, ROWS_MAX), Text(line, "dim"))


def watched(data: Watched) -> RenderableType:
    """Return the result of a watch; the last line is the sentence for a ticket."""
    parts: list[RenderableType] = [_table(data, len(data.namespaces))] if data.namespaces else []
    if data.made:
        times_s = [each.took_s for each in data.made]
        failed = sum(not each.found for each in data.made)
        middle, longest = seconds(statistics.median(times_s)), seconds(max(times_s))
        made = f"{len(times_s)} lookups made: median {middle}, longest {longest}"
        parts.append(Text(f"{made}, {failed} without an answer" if failed else made))
        if not data.count.lookups and not data.lost:
            parts.append(Text("none of them sent a DNS packet: a cache or /etc/hosts answered", "yellow"))
    if data.left_out:
        parts.append(Text(f"{data.left_out} lookups were too many to be followed", "yellow"))
    if data.lost:
        parts.append(Text(f"the watch itself lost {data.lost} packets: stalls at that time are not judged", "yellow"))
    parts += [Text(why, "yellow") for why in data.not_seen]
    if data.trace:
        parts.append(Text(watch_words.traced(data.trace), "yellow" if data.trace.why_not or data.trace.lost else ""))
    if data.ended:
        parts.append(Text(f"ended too soon: {data.ended}", "yellow"))
    return Group("", *parts, "", verbatim(watch_words.sentence(data)))


def _table(data: Watched, rows: int) -> Table:
    table = fitting("namespace", "lookups", "stalled", "share", "95 %", "last stall")
    for each in data.namespaces[:rows]:
        table.add_row(
            Text(each.namespace, "" if each.present else "dim"),
            str(each.lookups),
            Text(str(each.stalled), "yellow" if each.stalled else ""),
            share(each.stalled, each.lookups),
            fine_interval(each.count.interval),
            each.last or (f"{each.lost} packets lost" if each.lost else "-"),
        )
    if len(data.namespaces) > rows:
        table.add_row(Text(f"{len(data.namespaces) - rows} more", "dim"), "", "", "", "", "")
    return table


def compared(data: WatchesCompared) -> RenderableType:
    """Return two watches side by side."""
    table = fitting("namespace", "before", "after", "p")
    for each in data.namespaces:
        table.add_row(
            each.namespace,
            f"{each.before.stalled} of {each.before.lookups}",
            f"{each.after.stalled} of {each.after.lookups}",
            "-" if each.p_value is None else f"{each.p_value:.2g}",
        )
    total = verbatim(watch_words.compared(data.total))
    return Group(table, "", total) if data.namespaces else total
