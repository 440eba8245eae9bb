"""What the kernel traced: tracefs' own text form, the same in its essentials from 3.10 to today."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from lab.evidence.errors import UnreadableError

MARK = "mark"
"""The name that marks get, the lines which were written to `trace_marker`."""

# TASK-PID [CPU] FLAGS TIME: NAME: REST, see Documentation/trace/ftrace.rst. A task's name has 15 bytes at most
# (TASK_COMM_LEN), spaces and dashes among them. With the option record-tgid, "(TGID)" stands behind the pid. There are
# four flags up to 5.x, five since, none with the option irq-info off.
_LINE = re.compile(
    r"(?P<task>.{1,15}?)-(?P<pid>\d{1,7}) +(?:\( *[\d-]{1,7}\) +)?\[(?P<cpu>\d{3,4})\] +"
    r"(?:[\w.#]{4,6} +)?(?P<time>\d{1,10}\.\d{6,9}): (?P<name>\w{1,64}): ?(?P<rest>.*)",
    re.ASCII,
)
_HEADER = re.compile(r"# entries-in-buffer/entries-written: (\d{1,18})/(\d{1,18})\b", re.ASCII)
_DECIMAL = re.compile(r"([A-Za-z_]\w{0,63})=(-?\d{1,20})", re.ASCII)
_HEX = re.compile(r"([A-Za-z_]\w{0,63})=0x([0-9a-f]{1,16})", re.ASCII)

# A mark is shown by the function that wrote it (trace_print_print), or by 0 where its name was not to be had; behind
# "print:" in the form of trace-cmd.
_MARKS = re.compile(r"(?:print: )?(?:tracing_mark_write|0): ", re.ASCII)

# What the kernel writes between events (trace.c: test_cpu_buff_start, trace_print_lost_events).
_NOTICES = re.compile(
    r"##### CPU \d{1,4} buffer started ####|CPU:\d{1,4} \[(?P<lost>LOST) (?P<count>\d{1,18} )?EVENTS\]", re.ASCII
)


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        time_s: When, in seconds, by the clock that the trace was told to use; 3.10 has none but the default, which
            differs from every other and is put right by marks.
        task: The name of the thread that ran; `<...>` when the kernel has forgotten it.
        pid: Its thread id.
        cpu: The processor's number.
        name: The event's name: of the lab's own one of `queued`, `reinject`, `confirming`, `confirm`, `clash`, `xmit`
            (see trace.sh); `mark` for a line that was written to `trace_marker`.
        arguments: Every `key=value` whose value is a number: 3.10 tells in decimal what later kernels tell in hex.
        text: A mark's text; None for any other event.
        line: Which line tells it, from 1; the same event is the same on whatever line.
    """

    time_s: float
    task: str
    pid: int
    cpu: int
    name: str
    arguments: dict[str, int]
    text: str | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Trace:
    """One trace.

    Attributes:
        events: What happened, in order of time.
        lost: How many events did not fit into the kernel's buffer, as far as the trace says: at least so many.
    """

    events: tuple[Event, ...]
    lost: int


def parse(text: str) -> Trace:
    """Read tracefs' file `trace`.

    Raises:
        UnreadableError: a line is no event; one that was left out could be the lost packet.
    """
    events: list[Event] = []
    lost = noticed = 0
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if header := _HEADER.match(stripped):
            lost = _lost(int(header[1]), int(header[2]), line)
        elif notice := _NOTICES.fullmatch(stripped):
            # Without a number: it is not known how many.
            noticed += int(notice["count"] or 1) if notice["lost"] else 0
        elif stripped and not stripped.startswith("# ") and stripped != "#":
            events.append(replace(_event(stripped), line=number))
    return Trace(tuple(events), max(lost, noticed))


def _lost(kept: int, written: int, line: str) -> int:
    if written < kept:
        raise UnreadableError(f"the trace has more events than were written: {line[:120]!r}")
    return written - kept


def _event(line: str) -> Event:
    found = _LINE.fullmatch(line)
    if found is None:
        raise UnreadableError(f"the trace's line is not understood: {line[:120]!r}")
    where = (float(found["time"]), found["task"], int(found["pid"]), int(found["cpu"]))
    if mark := _MARKS.match(line, found.start("name")):
        return Event(*where, MARK, {}, line[mark.end() :])
    return Event(*where, found["name"], _arguments(found["rest"]))


def _arguments(rest: str) -> dict[str, int]:
    """Give the numbers among what stands behind an event's name; `(fault)` and the probe's place are none."""
    arguments: dict[str, int] = {}
    for word in rest.split():
        if decimal := _DECIMAL.fullmatch(word):
            arguments[decimal[1]] = int(decimal[2])
        elif hexadecimal := _HEX.fullmatch(word):
            arguments[hexadecimal[1]] = int(hexadecimal[2], 16)
    return arguments
