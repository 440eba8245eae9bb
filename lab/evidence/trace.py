"""What the kernel traced of packets on their way out: the `trace` file of tracefs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lab.evidence.errors import UnreadableError

# Task names may hold anything, so the line is found by what follows them: "-PID [CPU] flags TIME: EVENT".
_LINE = re.compile(
    r"^\s*(?P<task>.{1,16})-(?P<pid>\d{1,10})\s+\[(?P<cpu>\d{1,4})\]\s+\S{3,8}\s+"
    r"(?P<time>\d{1,10}\.\d{6}): (?P<name>\w{1,64}): (?P<rest>.*)$",
    re.ASCII,
)
_WRITTEN = re.compile(r"^# entries-in-buffer/entries-written: (\d{1,12})/(\d{1,12})\b", re.ASCII)
_ARGUMENT = re.compile(r"\b(\w{1,32})=(0x[0-9a-f]{1,16}|\d{1,20})(?=\s|$)", re.ASCII)

MARK = "tracing_mark_write"
"""The event that a line written to trace_marker makes."""


@dataclass(frozen=True)
class Event:
    """One event of the trace.

    Attributes:
        time_s: By the trace's own clock, in seconds: CLOCK_MONOTONIC where the kernel lets one choose it.
        task: Who was running.
        pid: Its process id.
        cpu: On which processor.
        name: The event's name.
        arguments: Its numbers, by name.
        text: The event's text, as it stands.
    """

    time_s: float
    task: str
    pid: int
    cpu: int
    name: str
    arguments: Mapping[str, int]
    text: str


@dataclass(frozen=True)
class Trace:
    """A trace.

    Attributes:
        events: In the order of the file.
        lost: How many events the kernel wrote and had no room to keep.
    """

    events: tuple[Event, ...]
    lost: int


def parse(text: str) -> Trace:
    """Read a `trace` file.

    Raises:
        UnreadableError: a line is neither an event nor a comment.
    """
    lines = text.splitlines()
    # The kernel says itself where a processor's events were lost; the header's figures count them.
    events = [_event(line) for line in lines if line.strip() and not line.startswith(("#", "CPU:"))]
    lost = 0
    for line in lines:
        if found := _WRITTEN.match(line):
            lost = int(found[2]) - int(found[1])
    if lost < 0:
        raise UnreadableError("the trace holds more events than were written")
    return Trace(tuple(events), lost)


def _event(line: str) -> Event:
    found = _LINE.match(line)
    if found is None:
        raise UnreadableError(f"the trace's line is not understood: {line[:120]!r}")
    rest = found["rest"]
    return Event(
        time_s=float(found["time"]),
        task=found["task"].strip(),
        pid=int(found["pid"]),
        cpu=int(found["cpu"]),
        name=found["name"],
        arguments={name: int(value, 0) for name, value in _ARGUMENT.findall(rest) if not _is_octal(value)},
        text=rest,
    )


def _is_octal(value: str) -> bool:
    """The kernel writes no leading zeros; Python would refuse them."""
    return len(value) > 1 and value.isdigit() and value.startswith("0")
