"""Parser of the kernel's trace in tracefs' text form, from 3.10 to today."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from lab.evidence.errors import UnreadableError

MARK = "mark"
"""Event name of marks, that is, lines written to `trace_marker`."""

UNKNOWN = "<...>"
"""A task's name that the kernel does not know (kernel/trace/trace.c: __trace_find_cmdline)."""

# TASK-PID [CPU] FLAGS TIME: NAME: REST, see Documentation/trace/ftrace.rst. A task's name has at most 15 bytes
# (TASK_COMM_LEN), which may be spaces and dashes. With the option record-tgid, "(TGID)" follows the pid. There are four
# flags up to 5.x, five since, none with the option irq-info off.
_LINE = re.compile(
    r"(?P<task>.{1,15}?)-(?P<pid>\d{1,7}) +(?:\( *[\d-]{1,7}\) +)?\[(?P<cpu>\d{3,4})\] +"
    r"(?:[\w.#]{4,6} +)?(?P<time>\d{1,10}\.\d{6,9}): (?P<name>\w{1,64}): ?(?P<rest>.*)",
    re.ASCII,
)
_HEADER = re.compile(r"# entries-in-buffer/entries-written: (\d{1,18})/(\d{1,18})\b", re.ASCII)
_DECIMAL = re.compile(r"([A-Za-z_]\w{0,63})=(-?\d{1,20})", re.ASCII)
_HEX = re.compile(r"([A-Za-z_]\w{0,63})=0x([0-9a-f]{1,16})", re.ASCII)
_BARE_HEX = re.compile(r"([A-Za-z_]\w{0,63})=([0-9a-f]{1,16})", re.ASCII)

# A packet's address in hexadecimal without 0x: in the kernel's half of the address space
# (Documentation/x86/x86_64/mm.rst).
_BARE_ADDRESS = re.compile(r"\bskb=ffff[0-9a-f]{12}\b", re.ASCII)

# trace_clock lists all clocks in one line, the current one in brackets (Documentation/trace/ftrace.rst).
_CLOCK = re.compile(r"\[([a-z][a-z0-9_-]{0,30})\]", re.ASCII)

# A mark is prefixed by the function that wrote it (trace_print_print), or by 0 without symbols; trace-cmd adds
# "print:".
_MARKS = re.compile(r"(?:print: )?(?:tracing_mark_write|0): ", re.ASCII)

# Notices between events (trace.c: test_cpu_buff_start, trace_print_lost_events).
_NOTICES = re.compile(
    r"##### CPU \d{1,4} buffer started ####|CPU:\d{1,4} \[(?P<lost>LOST) (?P<count>\d{1,18} )?EVENTS\]", re.ASCII
)


@dataclass(frozen=True)
class TraceEvent:
    """One trace event.

    Attributes:
        time_s: Time in seconds, by the clock set in `trace_clock`; 3.10 has only the default clock, which is aligned
            with the others by marks.
        task: The thread's name; UNKNOWN when the kernel did not note it, or forgot it.
        pid: The thread id.
        cpu: The processor's number.
        name: The event's name: one of the lab's events `queued`, `reinject`, `confirming`, `confirm`, `clash`, `xmit`
            (see trace.sh); `mark` for a line written to `trace_marker`.
        arguments: Every `key=value` whose value is a number, in any kernel's notation.
        text: A mark's text; None for any other event.
        line: Line number, from 1; ignored in comparisons.
    """

    time_s: float
    task: str
    pid: int
    cpu: int
    name: str
    arguments: dict[str, int]
    text: str | None = None
    line: int = field(default=0, compare=False)

    @property
    def thread(self) -> str:
        """The thread by its name, or by its id if the name is unknown."""
        return f"thread {self.pid}" if self.task == UNKNOWN else self.task


@dataclass(frozen=True)
class Trace:
    """One trace.

    Attributes:
        events: The events in order of time.
        lost: Number of events that did not fit into the kernel's buffer; a lower bound.
    """

    events: tuple[TraceEvent, ...]
    lost: int


def parse(text: str) -> Trace:
    """Parse tracefs' file `trace`.

    Raises:
        UnreadableError: a line is not an event; skipping it could hide the lost packet.
    """
    events: list[TraceEvent] = []
    lost = noticed = 0
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if header := _HEADER.match(stripped):
            lost = _lost(int(header[1]), int(header[2]), line)
        elif notice := _NOTICES.fullmatch(stripped):
            # Without a count at least one event was lost.
            noticed += int(notice["count"] or 1) if notice["lost"] else 0
        elif stripped and not stripped.startswith("# ") and stripped != "#":
            events.append(replace(_event(stripped), line=number))
    return Trace(tuple(events), max(lost, noticed))


def parse_clock(text: str) -> str:
    """Parse tracefs' file `trace_clock`, and return the current clock's name.

    Raises:
        UnreadableError: no clock or several clocks are in brackets.
    """
    clocks = _CLOCK.findall(text)
    if len(clocks) != 1:
        raise UnreadableError(f"cannot parse the trace's clock: {text.strip()[:80]!r}")
    return str(clocks[0])


def _lost(kept: int, written: int, line: str) -> int:
    if written < kept:
        raise UnreadableError(f"the trace has more events than were written: {line[:120]!r}")
    return written - kept


def _event(line: str) -> TraceEvent:
    match = _LINE.fullmatch(line)
    if match is None:
        raise UnreadableError(f"cannot parse the trace's line: {line[:120]!r}")
    where = (float(match["time"]), match["task"], int(match["pid"]), int(match["cpu"]))
    if mark := _MARKS.match(line, match.start("name")):
        return TraceEvent(*where, MARK, {}, line[mark.end() :])
    return TraceEvent(*where, match["name"], _arguments(match["rest"]))


def _arguments(rest: str) -> dict[str, int]:
    """Parse the numeric arguments after an event's name; `(fault)` and the probe's address are skipped.

    3.10.0-123 prints unsigned numbers in hexadecimal without 0x (trace_probe.c: "%x"), 3.10.0-1127 with 0x, kernels
    from 4.8 on in decimal. The form of a packet's address shows which notation is used.
    """
    if _BARE_ADDRESS.search(rest):
        words = (_BARE_HEX.fullmatch(word) for word in rest.split())
        return {match[1]: int(match[2], 16) for match in words if match}
    arguments: dict[str, int] = {}
    for word in rest.split():
        if decimal := _DECIMAL.fullmatch(word):
            arguments[decimal[1]] = int(decimal[2])
        elif hexadecimal := _HEX.fullmatch(word):
            arguments[hexadecimal[1]] = int(hexadecimal[2], 16)
    return arguments
