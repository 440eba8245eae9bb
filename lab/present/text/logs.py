"""Formats the lines of a log for a terminal."""

from __future__ import annotations

import time

from rich.console import Group, RenderableType
from rich.text import Text

from lab.commands.logs import LogLine, MachineLog
from lab.present.text.spoken import line, spoken

_STYLES = {"done": "green", "healthy": "green", "failed": "red", "stalled": "yellow", "cancelled": "yellow"}


def logged(data: MachineLog) -> RenderableType:
    """Return the lines, without wrapping."""
    if not data.lines:
        return line(f"nothing about {data.machine} in {data.path}")
    return Group(*(laid_out(one) for one in data.lines))


def laid_out(one: LogLine) -> Text:
    """Format one line: time, text, outcome and duration."""
    if one.time_s is None:
        return Text(one.text, no_wrap=True, overflow="ignore")
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one.time_s))
    text = Text.assemble((when, "dim"), "  ", spoken(one.text), no_wrap=True, overflow="ignore")
    if one.outcome:
        text.append(f"  {one.outcome}", _STYLES.get(one.outcome, ""))
    if one.duration_s is not None:
        text.append(f"  {one.duration_s:.2f} s", "dim")
    return text
