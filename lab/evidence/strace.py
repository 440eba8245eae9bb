"""System calls as strace saw them (`strace -f -ttt`), of versions 4.8 to 6.1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lab.evidence import strace_values
from lab.evidence.errors import UnreadableError
from lab.evidence.strace_values import Group

# "[pid 7] TIME ..." on a terminal, "7 TIME ..." in a file, "TIME ..." of a program with one thread.
_LINE = re.compile(r"(?:(?:\[pid +)?(?P<pid>\d{1,7})\]? +)?(?P<time>\d{1,11}\.\d{6}) (?P<rest>.*)", re.ASCII)
_CALL = re.compile(r"(?P<name>[a-z_]\w{0,63})\(", re.ASCII)
_RESUMED = re.compile(r"<\.\.\. (?P<name>[a-z_]\w{0,63}) resumed> ?", re.ASCII)
_UNFINISHED = re.compile(r" ?<unfinished \.\.\.>(?:\) += \?)?$", re.ASCII)
_RESULT = re.compile(r" += (?:(?P<value>-?\d{1,18})|0x[0-9a-f]{1,16}|\?)(?P<more>.*)", re.ASCII)
_SPENT = re.compile(r" <(\d{1,9}\.\d{6})>$", re.ASCII)


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
        lines: Its lines in the file, from 1: one, or two where another thread's call came in between.
    """

    pid: int | None
    name: str
    time_s: float
    returned_s: float | None
    arguments: Group
    result: int | None
    more: str
    lines: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class _Begun:
    """A call's first half, from where another thread's line cut it off."""

    time_s: float
    text: str
    line: int


def parse(text: str) -> tuple[Call, ...]:
    """Read the calls in order of their entry; lines about signals and exits, and lines cut off, are passed over.

    A call that did not return has only those arguments that were known at its entry, and no result.

    Raises:
        UnreadableError: there is text, but not a line of strace's.
    """
    calls: list[Call] = []
    begun: dict[int | None, _Begun] = {}
    understood = False
    for number, line in enumerate(text.split("\n"), 1):
        found = _LINE.fullmatch(line.rstrip())
        if found is None:
            continue
        pid = None if found["pid"] is None else int(found["pid"])
        read = tuple(_read(pid, float(found["time"]), found["rest"], begun, number))
        understood = understood or bool(read) or pid in begun or found["rest"].startswith(("+++ ", "--- ", "<... "))
        calls += read
    if text.strip() and not understood:
        raise UnreadableError(f"strace's output is not understood: {text.strip()[:80]!r}")
    calls += [call for pid, half in begun.items() for call in _never_returned(pid, half)]
    return tuple(sorted(calls, key=lambda call: call.time_s))


def is_whole(text: str) -> bool:
    """Say whether the program's end is there: its last line is how it exited, or which signal killed it."""
    last = text.rstrip().rpartition("\n")[2]
    found = _LINE.fullmatch(last)
    return found is not None and found["rest"].startswith("+++ ")


def _read(pid: int | None, time_s: float, rest: str, begun: dict[int | None, _Begun], line: int) -> Iterator[Call]:
    """Give the calls that a line ends: one, or none when it only begins one."""
    returned_s = None
    lines: tuple[int, ...] = (line,)
    if resumed := _RESUMED.match(rest):
        half = begun.pop(pid, None)
        if half is None or not half.text.startswith(f"{resumed['name']}("):
            return  # its beginning is not there
        time_s, returned_s, rest = half.time_s, time_s, half.text + rest[resumed.end() :]
        lines = (half.line, line)
    if unfinished := _UNFINISHED.search(rest):
        if _CALL.match(rest):
            begun[pid] = _Begun(time_s, rest[: unfinished.start()], line)
        return
    call = _call(pid, time_s, rest)
    if call is not None:
        yield replace(call, returned_s=call.returned_s if returned_s is None else returned_s, lines=lines)


def _call(pid: int | None, time_s: float, rest: str) -> Call | None:
    name = _CALL.match(rest)
    read = strace_values.arguments(rest[name.end() :]) if name else None
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
        time_s=time_s,
        returned_s=time_s + float(spent[1]) if spent else None,
        arguments=arguments,
        result=None if result["value"] is None else int(result["value"]),
        more=more,
    )


def _never_returned(pid: int | None, half: _Begun) -> Iterator[Call]:
    """Give a call that the end of the program, or of the trace, found unfinished."""
    call = _call(pid, half.time_s, f"{half.text}) = ?")
    if call is not None:
        yield replace(call, lines=(half.line,))
