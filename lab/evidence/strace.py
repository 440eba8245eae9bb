"""Parser of strace output (`strace -f -ttt`, and with other timestamps or none), of versions 4.8 to 6.1."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lab.evidence import strace_values
from lab.evidence.constants import DAY_S, REALTIME_LEAST_S
from lab.evidence.errors import UnreadableError
from lab.evidence.strace_values import Group


class TimestampKind(StrEnum):
    """The kind of timestamps in a trace."""

    REALTIME = "seconds since 1970"
    """`strace -ttt`: CLOCK_REALTIME."""
    DAY = "the time of day"
    """`-t` and `-tt`, in the time zone of the traced machine."""
    RELATIVE = "the time since the line before"
    """`-r`"""
    START = "the time since the beginning"
    """Of a printed capture: tcpdump's `-ttttt`, the sum of its `-ttt`, tshark's default."""
    NONE = "not there"


# "[pid 7] TIME ..." on a terminal, "7 TIME ..." in a file, "TIME ..." of a program with one thread; with
# --decode-pids=comm the thread's name follows its id. After the time may follow the time since the line before (-r
# with -t), the instruction pointer (-i), the number of the call (-n).
PID = r"(?:(?:\[pid +)?(?P<pid>\d{1,7})(?:<[^<>]{1,32}>)?\]? +)?"
_REST = r" (?:\(\+ *[\d.]{1,16}\) )?(?:\[[\s\da-f?]{1,16}\] ){0,2}(?P<rest>.*)"
_TIMES = {
    TimestampKind.REALTIME: r"(?P<time>\d{1,11}\.\d{3,9})",
    TimestampKind.DAY: r"(?P<time>(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{3,9})?)",
    TimestampKind.RELATIVE: r" *(?:\(\+ *)?(?P<time>\d{1,6}\.\d{3,9})\)?",
    TimestampKind.NONE: r"(?P<time>)",
}
_LINES = {clock: re.compile(PID + time + _REST, re.ASCII) for clock, time in _TIMES.items()}
_LINES[TimestampKind.NONE] = re.compile(PID + r"(?P<time>)(?P<rest>\S.*)", re.ASCII)
_LINE = _LINES[TimestampKind.REALTIME]
_CALL = re.compile(r"(?P<name>[a-z_]\w{0,63})\(", re.ASCII)
_DESCRIBED = re.compile(r"\d{1,10}<((?:[-=]>|[^<>\"]){1,200})>", re.ASCII)
_RESUMED = re.compile(r"<\.\.\. (?P<name>[a-z_]\w{0,63}) resumed> ?", re.ASCII)
_UNFINISHED = re.compile(r" ?<unfinished \.\.\.>(?:\) += \?)?$", re.ASCII)
_RESULT = re.compile(r" += (?:(?P<value>-?\d{1,18})|0x[0-9a-f]{1,16}|\?)(?P<more>.*)", re.ASCII)
_SPENT = re.compile(r" <(\d{1,9}\.\d{3,9})>$", re.ASCII)
WAITS = frozenset({"poll", "ppoll"})


@dataclass(frozen=True)
class Call:
    """One system call.

    Attributes:
        pid: The thread's id; None when strace followed only one.
        name: The call's name.
        time_s: When it was entered, CLOCK_REALTIME in seconds.
        returned_s: When it returned, CLOCK_REALTIME in seconds; None when strace does not show it (it does with -T,
            and when another thread's call came in between).
        arguments: The arguments: numbers, strings, groups.
        result: The return value; None when the call did not return, or returned an address.
        more: The text after the result: `(Timeout)`, `EAGAIN (Resource temporarily unavailable)`.
        line: The line on which the call begins, from 1; ignored in comparisons.
        last_line: The line on which it ends: a later one where another thread's call came in between.
        described: The annotation of strace -y or -yy of a descriptor as the first argument; empty without.
    """

    pid: int | None
    name: str
    time_s: float
    returned_s: float | None
    arguments: Group
    result: int | None
    more: str
    line: int = field(default=0, compare=False)
    last_line: int = field(default=0, compare=False)
    described: str = field(default="", compare=False)


@dataclass(frozen=True)
class _Pending:
    """The first part of a call that was interrupted by another thread's line."""

    time_s: float
    text: str
    line: int
    last_line: int


def parse(text: str, clock: TimestampKind = TimestampKind.REALTIME) -> tuple[Call, ...]:
    """Parse the calls in order of their entry; lines about signals and exits, and truncated lines, are skipped.

    A call that did not return has only the arguments known at its entry, and no result. Clocks other than
    CLOCK_REALTIME have an arbitrary start; without timestamps only poll timeouts advance the time.

    Raises:
        UnreadableError: there is text, but no line of strace.
    """
    trace = parse_lines(enumerate((line.rstrip() for line in text.split("\n")), 1), clock)
    if text.strip() and not trace.understood:
        raise UnreadableError(f"cannot parse strace's output: {text.strip()[:80]!r}")
    return trace.calls


@dataclass(frozen=True)
class ParsedTrace:
    """The result of parsing a trace.

    Attributes:
        calls: The selected calls in order of their entry.
        understood: Whether any line was strace output.
        last_s: The last timestamp, in seconds.
    """

    calls: tuple[Call, ...]
    understood: bool
    last_s: float


def parse_lines(
    lines: Iterable[tuple[int, str]],
    clock: TimestampKind,
    wanted: Callable[[str], bool] | None = None,
    most: int | None = None,
) -> ParsedTrace:
    """Parse the numbered lines of a trace.

    Args:
        lines: The lines, without spaces at their ends.
        clock: The kind of timestamps.
        wanted: Returns whether a line, from the call's name on, is relevant; None to parse all lines.
        most: Maximum number of calls; None for no limit.

    Raises:
        UnreadableError: there are more than `most` calls.
    """
    calls: list[Call] = []
    begun: dict[int | None, _Pending] = {}
    understood = False
    time_s = 0.0
    for number, line in lines:
        match = _LINES[clock].fullmatch(line)
        if match is None:
            continue
        pid = None if match["pid"] is None else int(match["pid"])
        time_s, rest = _time_s(match["time"], clock, time_s), match["rest"]
        if wanted is not None and not wanted(rest):
            begun.pop(pid, None)
            understood = True
            continue
        parsed = tuple(_read(pid, _Pending(time_s, rest, number, number), begun))
        understood = understood or bool(parsed) or pid in begun or rest.startswith(("+++ ", "--- ", "<... "))
        calls += parsed
        if most is not None and len(calls) > most:
            raise UnreadableError(
                f"it has more than {most} calls about DNS: cut out the stall, from its first socket on"
            )
        if clock is TimestampKind.NONE:
            time_s += sum(_waited_s(call) for call in parsed)
    calls += [call for pid, pending in begun.items() for call in _never_returned(pid, pending)]
    return ParsedTrace(tuple(sorted(calls, key=lambda call: call.time_s)), understood, time_s)


def detect_clock(text: str | Iterable[str]) -> TimestampKind | None:
    """Detect the kind of timestamps from the first call; None when there is no call."""
    for line in text.split("\n") if isinstance(text, str) else text:
        for clock, pattern in _LINES.items():
            match = pattern.fullmatch(line.rstrip())
            if match is None or not _is_call(match["rest"]):
                continue
            if clock is TimestampKind.REALTIME and float(match["time"]) < REALTIME_LEAST_S:
                continue
            return clock
    return None


def _is_call(rest: str) -> bool:
    """Return whether a text is a call with its result; a program's source code has no results."""
    return bool(
        _RESUMED.match(rest)
        or (_CALL.match(rest) and (_UNFINISHED.search(rest) or _call(None, _Pending(0, rest, 0, 0))))
    )


def _time_s(stamp: str, clock: TimestampKind, before_s: float) -> float:
    if clock is TimestampKind.NONE:
        return before_s
    if clock is TimestampKind.RELATIVE:
        return before_s + float(stamp)
    if clock is TimestampKind.REALTIME:
        return float(stamp)
    hours, minutes, seconds = stamp.split(":")
    time_s = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    # A trace may extend past midnight, even over several days.
    days = round((before_s - time_s) / DAY_S) if before_s else 0
    return time_s + max(days, 0) * DAY_S


def _waited_s(call: Call) -> float:
    """Return the timeout of a poll that timed out, in seconds; 0 for all other calls."""
    if call.name not in WAITS or call.more != "(Timeout)":
        return 0.0
    return strace_values.parse_timeout_s(call.arguments[2]) or 0.0


def is_whole(text: str) -> bool:
    """Return whether the trace is complete: its last line is the program's exit, or the signal that killed it."""
    last = text.rstrip().rpartition("\n")[2]
    match = _LINE.fullmatch(last)
    return match is not None and match["rest"].startswith("+++ ")


def _read(pid: int | None, pending: _Pending, begun: dict[int | None, _Pending]) -> Iterator[Call]:
    """Yield the call that a line completes; none when the line only begins one."""
    returned_s = None
    if resumed := _RESUMED.match(pending.text):
        beginning = begun.pop(pid, None)
        if beginning is None or not beginning.text.startswith(f"{resumed['name']}("):
            return  # the beginning of the call is missing
        returned_s = pending.time_s
        text = beginning.text + pending.text[resumed.end() :]
        pending = _Pending(beginning.time_s, text, beginning.line, pending.line)
    if unfinished := _UNFINISHED.search(pending.text):
        if _CALL.match(pending.text):
            begun[pid] = replace(pending, text=pending.text[: unfinished.start()])
        return
    call = _call(pid, pending)
    if call is not None:
        yield call if returned_s is None else replace(call, returned_s=returned_s)


def _call(pid: int | None, pending: _Pending) -> Call | None:
    name = _CALL.match(pending.text)
    parsed = strace_values.parse_arguments(pending.text[name.end() :]) if name else None
    if name is None or parsed is None:
        return None
    arguments, behind = parsed
    result = _RESULT.fullmatch(behind)
    if result is None:
        return None
    more = result["more"].strip()
    spent = _SPENT.search(result["more"])
    if spent:
        more = result["more"][: spent.start()].strip()
    return Call(
        pid=pid,
        name=name["name"],
        time_s=pending.time_s,
        returned_s=pending.time_s + float(spent[1]) if spent else None,
        arguments=arguments,
        result=None if result["value"] is None else int(result["value"]),
        more=more,
        line=pending.line,
        last_line=pending.last_line,
        described=match[1] if (match := _DESCRIBED.match(pending.text, name.end())) else "",
    )


def _never_returned(pid: int | None, pending: _Pending) -> Iterator[Call]:
    """Yield a call that was unfinished at the end of the program or of the trace."""
    call = _call(pid, replace(pending, text=f"{pending.text}) = ?"))
    if call is not None:
        yield call
