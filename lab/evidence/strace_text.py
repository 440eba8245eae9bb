"""Detects strace lines, removes prefixes from them, and splits a text into single traces."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from lab.evidence.constants import DAY_S, FORKS
from lab.evidence.strace import PID, WAITS, TimestampKind

_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"

# Prefixes by ts, logger and terminals: a date with a time, and optionally a host and a program.
_DATED = re.compile(
    r"\[?(?:\S{1,12} {1,2}\d{1,2}(?: \d{4})?|\d{4}-\d\d-\d\d)[ T]"
    rf"(?P<time>{_CLOCK})(?P<part>[.,]\d{{1,9}})?(?:Z|[+-]\d\d:?\d\d| [+-]\d{{4}})?\]?:? +"
    r"(?:[^\s:(\[]{1,255} )?(?:[^\s:(=]{1,64}: )?(?P<pid>\[pid +\d{1,7}\] +|\d{1,7} +)?(?P<inner>(?:[a-z_<+-]|\d).*)"
)
_MONTH_MAX = 12
"""Maximum length of a month's name; in some languages it begins with a digit."""

_THREAD = PID.replace("?P<pid>", "")
_STARTS = re.compile(
    rf"\s{{0,200}}{_THREAD}(?:(?:{_CLOCK}(?:\.\d{{1,9}})?|\d{{1,11}}\.\d{{1,9}}|\(\+ *[\d.]{{1,16}}\)) +)?"
    r"(?:\(\+ *[\d.]{1,16}\) )?(?:\[[\s\da-f?]{1,16}\] ){0,2}"
    r"(?:(?P<name>[a-z_][a-z0-9_]{1,40})\(|<\.\.\. [a-z_]\w{0,40} resumed>|"
    r"\+\+\+ (?:exited|killed) |--- (?:SIG|stopped))",
    re.ASCII,
)
_ENDS = re.compile(r"\)\s*= (?:-?\d|0x[0-9a-f]|\?)|<unfinished \.\.\.>|[+-]{3}$", re.ASCII)
_STACK = re.compile(r"\s*(?:> )?[^\s()]{1,300}(?:\([^)]{0,200}\))? \[0x[0-9a-f]{1,16}\]", re.ASCII)
_STACK_MAX = 700
_ADDED = re.compile(r"\((?:Timeout|\[?\{.{0,600}\)?|[A-Z][a-z].{0,100})\)?(?: <[\d.]{5,20}>)?|<\d{1,9}\.\d{3,9}>")
_END_MAX = 400
"""Only the last bytes of a line are searched for a call's result: poll's events may follow it."""

_TRANSFERS = (
    "connect bind getsockname close dup dup2 dup3 send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg read "
    "readv write writev"
)
_ON_SOCKETS = frozenset(_TRANSFERS.split())
_KNOWN = _ON_SOCKETS | FORKS | WAITS | frozenset({"socket", "setsockopt", "getpeername", "ioctl", "fcntl", "select"})


@dataclass(frozen=True)
class Piece:
    """A range of lines that is one trace.

    Attributes:
        clock: The kind of timestamps.
        first: The first line's number.
        last: The last line's number.
        sockets: The descriptors of sockets to DNS servers.
        forks: Whether a thread or a process is started in it.
        threads: Whether any line has a thread id (`-f`).
    """

    clock: TimestampKind
    first: int
    last: int
    sockets: frozenset[str]
    forks: bool
    threads: bool


_STAMPED = re.compile(
    rf"{_THREAD} *(?:\(\+ *)?(?:(?P<day>{_CLOCK})|(?P<unix>\d{{9,11}})\.\d|(?P<short>\d{{1,6}})\.\d{{3}})", re.ASCII
)
_NAMES_THREAD = re.compile(r"\[pid +\d|\d{1,7}(?:<[^<>]{1,32}>)? +\S", re.ASCII)
_NAMED = re.compile(r"(?P<name>[a-z_]\w{1,40})\((?P<fd>\d{1,7})?", re.ASCII)
_POLLED = re.compile(r"fd=(\d{1,7})", re.ASCII)
_POLLED_MAX = 4000
_SERVER = re.compile(r"htons\(53\)|[\].\da-f]:53\]")
_COPIED = re.compile(r"dup[23]?\((?P<fd>\d{1,7}).{0,200}\) += (?P<new>\d{1,7})", re.ASCII)
_FORKING = re.compile(r"\b(?:clone3?|v?fork)\(")
_BEGIN_MAX = 200
"""A call's name and its first argument are within the first bytes of a line."""

_BACK_S = 5.0
"""Lines of several threads may be out of order by the duration of a call; a greater step back is a new trace."""


@dataclass
class _OpenTrace:
    """A trace that is being collected."""

    clock: TimestampKind
    first: int
    last: int
    sockets: set[str] = field(default_factory=set)
    forks: bool = False
    threads: bool = False

    def close(self) -> Piece:
        return Piece(self.clock, self.first, self.last, frozenset(self.sockets), self.forks, self.threads)

    def take(self, number: int, line: str) -> None:
        """Record the line's descriptors of sockets to DNS servers, and whether it starts a thread or process."""
        self.last = number
        begin = line[:_BEGIN_MAX]
        self.threads = self.threads or _NAMES_THREAD.match(begin) is not None
        self.forks = self.forks or (("clone" in begin or "fork" in begin) and bool(_FORKING.search(begin)))
        if "53" in line and _SERVER.search(line):
            self.sockets.update(match["fd"] for match in _NAMED.finditer(begin) if match["fd"])
        elif "dup" in begin and (copied := _COPIED.search(line[: _BEGIN_MAX * 2])) and copied["fd"] in self.sockets:
            self.sockets.add(copied["new"])


def split_traces(lines: Iterable[tuple[int, str]]) -> Iterator[Piece]:
    """Split a text into traces: a new one begins where the kind of timestamps changes, or time goes back."""
    piece: _OpenTrace | None = None
    before_s = 0.0
    for number, line in lines:
        clock, time_s = _stamp(line)
        if clock is not None:
            back = clock in {TimestampKind.REALTIME, TimestampKind.DAY} and _BACK_S < before_s - time_s < DAY_S / 2
            if piece is not None and (clock is not piece.clock or back):
                yield piece.close()
                piece = None
            before_s = time_s
            piece = piece or _OpenTrace(clock, number, number)
        if piece is not None:
            piece.take(number, line)
    if piece is not None:
        yield piece.close()


def _stamp(line: str) -> tuple[TimestampKind | None, float]:
    """Return a line's kind of timestamp and its time in seconds; None as the kind for a line without a call."""
    match = _STAMPED.match(line)
    if match is None:
        start = _STARTS.match(line)
        return (TimestampKind.NONE if start is not None and start["name"] else None), 0.0
    if match["day"]:
        hours, minutes, seconds = match["day"].split(":")
        return TimestampKind.DAY, int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return (TimestampKind.REALTIME, float(match["unix"])) if match["unix"] else (TimestampKind.RELATIVE, 0.0)


def select_dns_calls(piece: Piece) -> Callable[[str], bool]:
    """Return a predicate that selects calls, given from their name on, on sockets to DNS servers.

    A trace may have millions of calls: only the selected ones are parsed and stored.
    """

    def matters(rest: str) -> bool:
        match = _NAMED.match(rest)
        if match is None:
            return rest.startswith("<... ")
        name = match["name"]
        if name in WAITS:
            polled = _POLLED.findall(rest[:_POLLED_MAX])
            return piece.clock is TimestampKind.NONE or not piece.sockets.isdisjoint(polled)
        if name == "socket" or name in FORKS:
            return bool(piece.sockets)
        return name in _ON_SOCKETS and match["fd"] in piece.sockets

    return matters


def is_line(line: str) -> bool:
    """Return whether a line is strace output: a call with its result, a part of one, a signal, an exit."""
    if may_be_call(line):
        return bool(_ENDS.search(line[-_END_MAX:]))
    return line.endswith("]") and bool(_STACK.fullmatch(line[:_STACK_MAX]))


def may_be_call(line: str) -> bool:
    """Return whether a line begins like strace output."""
    return _STARTS.match(line) is not None or _STARTS.match(strip_date(line)) is not None


def may_begin(line: str) -> bool:
    """Return whether a line may be the beginning of a wrapped strace line."""
    start = _STARTS.match(line) or _STARTS.match(strip_date(line))
    return start is not None and start["name"] in _KNOWN


def has_end(line: str) -> bool:
    """Return whether a line has the end of a call."""
    return bool(_ENDS.search(line[-_END_MAX:])) or (line.endswith("]") and bool(_STACK.fullmatch(line[:_STACK_MAX])))


def is_end(line: str) -> bool:
    """Return whether a line is an annotation of a call's result: `(Timeout)`, poll's events, the time spent."""
    return bool(_ADDED.fullmatch(line[:_STACK_MAX]))


def strip_date(line: str) -> str:
    """Remove a date prefix from a line; the prefix's time is kept if strace printed none."""
    if line[:1].isdigit() and line[4:5] != "-" and line[:_MONTH_MAX].isascii():
        return line  # strace's own timestamp, or the thread id
    match = _DATED.match(line)
    if match is None or _STARTS.match(match["inner"]) is None:
        return line.lstrip()
    inner, pid = match["inner"], match["pid"] or ""
    if inner[:1].isdigit():
        return f"{pid}{inner}"
    part = f".{match['part'][1:]:0<3}" if match["part"] else ""
    return f"{pid}{match['time']}{part} {inner}"
