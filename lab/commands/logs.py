"""`lab logs`: the steps of the lab on a machine, or the machine's console."""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.foundation.errors import BadInput
from lab.foundation.printable import printable
from lab.foundation.result import Result
from lab.session.session import Session

CONSOLE = "console.log"
"""The console's file, in a machine's directory (lab/provider/qemu_process.py) or below it (vagrant_directory.py)."""

PAUSE_S = 0.2
"""Interval between checks for new lines."""

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
"""Control sequences of a console: CSI, OSC, and those of one character (ECMA-48, 5.4 and 8.3.89)."""


@dataclass(frozen=True)
class LogLine:
    """A line of a log.

    Attributes:
        text: The step, the note, or the console's line.
        time_s: Its time, in seconds since 1970; None on a console.
        outcome: A step's "done", "failed" or "cancelled", or a trial's outcome; None for a note or a console.
        duration_s: Duration of a step, or of a trial's lookup; None for other lines.
    """

    text: str
    time_s: float | None = None
    outcome: str | None = None
    duration_s: float | None = None


@dataclass(frozen=True)
class MachineLog:
    """A machine's log.

    Attributes:
        machine: The machine.
        path: The file.
        lines: Its last lines about the machine.
    """

    machine: str
    path: Path
    lines: tuple[LogLine, ...]


def logs(session: Session, name: str, last: int, *, console: bool) -> Result[MachineLog]:
    """Return the last lines about a machine.

    Args:
        session: The lab in use.
        name: The machine.
        last: Maximum number of lines.
        console: Whether to read the machine's console instead of the lab's log.

    Raises:
        BadInput: there is no such machine, or no log of it yet.
    """
    machine, path, parse = _log(session, name, console=console)
    lines: deque[LogLine] = deque(maxlen=last)
    for file in (path.with_suffix(".log.1"), path) if not console else (path,):
        lines += filter(None, map(parse, _Tail(file).new()))
    return Result(MachineLog(machine, path, tuple(lines)))


def follow(session: Session, name: str, last: int, *, console: bool) -> Iterator[LogLine]:
    """Yield the last lines about a machine, and each new one, until the user interrupts.

    Raises:
        BadInput: there is no such machine, or no log of it yet.
        Cancelled: the work was cancelled.
    """
    _, path, parse = _log(session, name, console=console)
    tail = _Tail(path)
    yield from deque(filter(None, map(parse, tail.new())), maxlen=last)
    while True:
        session.work.wait_until(tail.has_more, math.inf, pause_s=PAUSE_S)
        yield from filter(None, map(parse, tail.new()))


def _log(session: Session, name: str, *, console: bool) -> tuple[str, Path, Callable[[str], LogLine | None]]:
    """Return a machine's name, the file of its log, and the parser of a line."""
    (definition,) = session.find([name])
    machine = definition.name
    if not console:
        if not session.home.log.exists():
            raise BadInput(f"nothing was done yet in {session.home.path}", hint=f"bring it up: lab up {machine}")
        return machine, session.home.log, lambda line: _step(line, machine)
    files = sorted(session.home.machine(machine).rglob(CONSOLE), key=lambda path: path.stat().st_mtime)
    if not files:
        raise BadInput(f"{machine} has printed nothing on a console yet", hint=f"bring it up: lab up {machine}")
    return machine, files[-1], lambda line: LogLine(printable(_SEQUENCE.sub("", line.rstrip("\r"))))


def _step(line: str, machine: str) -> LogLine | None:
    """Parse a line of the lab's log; return None if it is about another machine or is the begin of a step."""
    try:
        event = json.loads(line)
        if machine not in (event.get("subject"), event.get("machine")):
            return None
        match event["event"]:
            case "Note":
                return LogLine(printable(event["text"]), event["time_s"])
            case "StepEnded":
                return LogLine(printable(event["title"]), event["time_s"], event["outcome"], event["duration_s"])
            case "TrialEnded":
                trial = f"{event['scenario']} {event['number']}/{event['of']}"
                return LogLine(printable(trial), event["time_s"], event["outcome"], event["lookup_s"])
    except (ValueError, KeyError, TypeError, AttributeError):
        # A line that is incomplete after a crash.
        return None
    return None


class _Tail:
    """Reads the lines that were added to a file since the last call; starts again if the file was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._inode = 0

    def has_more(self) -> bool:
        """Return whether the file has changed."""
        try:
            about = self._path.stat()
        except OSError:
            return False
        return about.st_ino != self._inode or about.st_size != self._at

    def new(self) -> list[str]:
        """Return the new complete lines."""
        try:
            with self._path.open("rb") as file:
                about = self._path.stat()
                if about.st_ino != self._inode or about.st_size < self._at:
                    self._at, self._inode = 0, about.st_ino
                file.seek(self._at)
                content = file.read()
        except OSError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._at += len(whole)
        return whole.decode(errors="replace").split("\n")[:-1]
