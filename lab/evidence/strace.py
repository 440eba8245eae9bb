"""System calls as strace saw them (`strace -f -ttt`, and without times or with others), of versions 4.8 to 6.1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lab.evidence import strace_values
from lab.evidence.errors import UnreadableError
from lab.evidence.strace_values import Group


class Clock(StrEnum):
    """What the times of a trace are."""

    REALTIME = "seconds since 1970"
    """`strace -ttt`: CLOCK_REALTIME."""
    DAY = "the time of day"
    """`-t` and `-tt`, by whatever time zone strace was run in."""
    RELATIVE = "the time since the line before"
    """`-r`"""
    NONE = "not there"


# "[pid 7] TIME ..." on a terminal, "7 TIME ..." in a file, "TIME ..." of a program with one thread. Behind it may
# stand the time since the line before (-r beside -t), the address of the instruction (-i), the number of the call (-n).
_PID = r"(?:(?:\[pid +)?(?P<pid>\d{1,7})\]? +)?"
_REST = r" (?:\(\+ *[\d.]{1,16}\) )?(?:\[[\s\da-f?]{1,16}\] ){0,2}(?P<rest>.*)"
_TIMES = {
    Clock.REALTIME: r"(?P<time>\d{1,11}\.\d{3,9})",
    Clock.DAY: r"(?P<time>(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{3,9})?)",
    Clock.RELATIVE: r" *(?:\(\+ *)?(?P<time>\d{1,6}\.\d{3,9})\)?",
    Clock.NONE: r"(?P<time>)",
}
_LINES = {clock: re.compile(_PID + time + _REST, re.ASCII) for clock, time in _TIMES.items()}
_LINES[Clock.NONE] = re.compile(_PID + r"(?P<time>)(?P<rest>\S.*)", re.ASCII)
_LINE = _LINES[Clock.REALTIME]
_REALTIME_LEAST_S = 1e8
"""Before 1973 nobody ran strace: such a time is a relative one."""
_DAY_S = 86400
_CALL = re.compile(r"(?P<name>[a-z_]\w{0,63})\(", re.ASCII)
_RESUMED = re.compile(r"<\.\.\. (?P<name>[a-z_]\w{0,63}) resumed> ?", re.ASCII)
_UNFINISHED = re.compile(r" ?<unfinished \.\.\.>(?:\) += \?)?$", re.ASCII)
_RESULT = re.compile(r" += (?:(?P<value>-?\d{1,18})|0x[0-9a-f]{1,16}|\?)(?P<more>.*)", re.ASCII)
_SPENT = re.compile(r" <(\d{1,9}\.\d{3,9})>$", re.ASCII)
_WAITS = {"poll", "ppoll"}


@dataclass(frozen=True)
class Call:
    """One system call.

    Attributes:
        pid: The thread's id; None when strace followed only one.
        name: The call's name.
        time_s: When it was entered, by CLOCK_REALTIME in seconds.
        returned_s: When it returned, likewise; None when strace did not say (it does when another thread's call came
            in between, and with -T).
        arguments: Its arguments, as far as they are numbers, strings, groups.
        result: What it returned; None when it never did, or returned an address.
        more: What strace adds to the result: `(Timeout)`, `EAGAIN (Resource temporarily unavailable)`.
        line: The number of the line that it begins on, from 1; the same call is the same on whatever line.
        last_line: ... and of the line that it ends on: another one where another thread's call came in between.
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


@dataclass(frozen=True)
class _Begun:
    """A call's first half, from where another thread's line cut it off."""

    time_s: float
    text: str
    line: int
    last_line: int


def parse(text: str, clock: Clock = Clock.REALTIME) -> tuple[Call, ...]:
    """Read the calls in order of their entry; lines about signals and exits, and lines cut off, are passed over.

    A call that did not return has only those arguments that were known at its entry, and no result. Times by another
    clock than CLOCK_REALTIME begin anywhere; where there are none, time passes by the waits that ended in vain alone.

    Raises:
        UnreadableError: there is text, but not a line of strace's.
    """
    calls: list[Call] = []
    begun: dict[int | None, _Begun] = {}
    understood = False
    time_s = 0.0
    for number, line in enumerate(text.split("\n"), 1):
        found = _LINES[clock].fullmatch(line.rstrip())
        if found is None:
            continue
        pid = None if found["pid"] is None else int(found["pid"])
        time_s = _time_s(found["time"], clock, time_s)
        read = tuple(_read(pid, _Begun(time_s, found["rest"], number, number), begun))
        understood = understood or bool(read) or pid in begun or found["rest"].startswith(("+++ ", "--- ", "<... "))
        calls += read
        if clock is Clock.NONE:
            time_s += sum(_waited_s(call) for call in read)
    if text.strip() and not understood:
        raise UnreadableError(f"strace's output is not understood: {text.strip()[:80]!r}")
    calls += [call for pid, half in begun.items() for call in _never_returned(pid, half)]
    return tuple(sorted(calls, key=lambda call: call.time_s))


def clock_of(text: str) -> Clock | None:
    """Tell which times a trace has, by its first call; None when there is no call in it."""
    for line in text.split("\n"):
        for clock, pattern in _LINES.items():
            found = pattern.fullmatch(line.rstrip())
            if found is None or not _is_call(found["rest"]):
                continue
            if clock is Clock.REALTIME and float(found["time"]) < _REALTIME_LEAST_S:
                continue
            return clock
    return None


def _is_call(rest: str) -> bool:
    """Tell a call from other text; a program's source has calls, too, but not what they returned."""
    return bool(
        _RESUMED.match(rest) or (_CALL.match(rest) and (_UNFINISHED.search(rest) or _call(None, _Begun(0, rest, 0, 0))))
    )


def _time_s(told: str, clock: Clock, before_s: float) -> float:
    if clock is Clock.NONE:
        return before_s
    if clock is Clock.RELATIVE:
        return before_s + float(told)
    if clock is Clock.REALTIME:
        return float(told)
    hours, minutes, seconds = told.split(":")
    time_s = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    # A trace may go on past midnight, and even longer.
    days = round((before_s - time_s) / _DAY_S) if before_s else 0
    return time_s + max(days, 0) * _DAY_S


def _waited_s(call: Call) -> float:
    """Give how long a call that ended in vain was told to wait, in seconds; 0 for all others."""
    if call.name not in _WAITS or call.more != "(Timeout)":
        return 0.0
    return strace_values.timeout_s(call.arguments[2]) or 0.0


def is_whole(text: str) -> bool:
    """Say whether the program's end is there: its last line is how it exited, or which signal killed it."""
    last = text.rstrip().rpartition("\n")[2]
    found = _LINE.fullmatch(last)
    return found is not None and found["rest"].startswith("+++ ")


def _read(pid: int | None, told: _Begun, begun: dict[int | None, _Begun]) -> Iterator[Call]:
    """Give the calls that a line ends: one, or none when it only begins one."""
    returned_s = None
    if resumed := _RESUMED.match(told.text):
        half = begun.pop(pid, None)
        if half is None or not half.text.startswith(f"{resumed['name']}("):
            return  # its beginning is not there
        returned_s = told.time_s
        told = _Begun(half.time_s, half.text + told.text[resumed.end() :], half.line, told.line)
    if unfinished := _UNFINISHED.search(told.text):
        if _CALL.match(told.text):
            begun[pid] = replace(told, text=told.text[: unfinished.start()])
        return
    call = _call(pid, told)
    if call is not None:
        yield call if returned_s is None else replace(call, returned_s=returned_s)


def _call(pid: int | None, told: _Begun) -> Call | None:
    name = _CALL.match(told.text)
    read = strace_values.arguments(told.text[name.end() :]) if name else None
    if name is None or read is None:
        return None
    arguments, behind = read
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
        time_s=told.time_s,
        returned_s=told.time_s + float(spent[1]) if spent else None,
        arguments=arguments,
        result=None if result["value"] is None else int(result["value"]),
        more=more,
        line=told.line,
        last_line=told.last_line,
    )


def _never_returned(pid: int | None, half: _Begun) -> Iterator[Call]:
    """Give a call that the end of the program, or of the trace, found unfinished."""
    call = _call(pid, replace(half, text=f"{half.text}) = ?"))
    if call is not None:
        yield call
