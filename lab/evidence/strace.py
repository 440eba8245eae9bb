"""The client's system calls, as strace writes them (strace -f -ttt)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lab.evidence.errors import UnreadableError

_LINE = re.compile(r"^(?:(?P<pid>\d{1,10}) +)?(?P<time>\d{1,12}\.\d{6}) (?P<rest>.*)$", re.ASCII)
_RESUMED = re.compile(r"^<\.\.\. (?P<name>\w{1,40}) resumed>(?P<rest>.*)$", re.ASCII)
_CALL = re.compile(r"^(?P<name>\w{1,40})\((?P<arguments>.*)$", re.ASCII)
_RESULT = re.compile(r"^(-?\d{1,20}|0x[0-9a-f]{1,16}|\?)(?: (.*))?$", re.ASCII)
_UNFINISHED = "<unfinished ...>"
_STRING = re.compile(r'(?P<before>\w*\(|)"(?P<content>(?:[^"\\]|\\.)*)"(?P<cut>\.\.\.)?', re.ASCII)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-f]{2})|(.))", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}


@dataclass(frozen=True)
class Call:
    """A system call that came back.

    Attributes:
        time_s: When it was entered, by CLOCK_REALTIME, in seconds.
        end_s: When it came back; None when strace did not stamp that by itself.
        pid: Whose it is, thread by thread; 0 when only one is traced.
        name: The call.
        arguments: As strace writes them.
        result: What it gave; None for one that did not come back.
        remark: What strace says of the result, such as "(Timeout)".
    """

    time_s: float
    end_s: float | None
    pid: int
    name: str
    arguments: str
    result: int | None
    remark: str

    @property
    def buffers(self) -> tuple[bytes, ...]:
        """What was sent or received, buffer by buffer, as far as strace wrote it down."""
        found = _STRING.finditer(self.arguments)
        # A string right behind a bracket is an address: inet_addr("10.10.10.53").
        return tuple(_unescaped(string["content"]) for string in found if not string["before"])


def parse(text: str) -> tuple[Call, ...]:
    """Read strace's output and give the calls in the order in which they were entered.

    Lines of signals and of processes that ended are passed over, and calls that never came back.

    Raises:
        UnreadableError: nothing in it is a line of strace.
    """
    lines = [found for line in text.splitlines() if (found := _LINE.match(line))]
    if not lines and text.strip():
        raise UnreadableError(f"this is no output of strace -ttt: {text.strip()[:80]!r}")
    return tuple(sorted(_calls(lines), key=lambda call: call.time_s))


def _calls(lines: list[re.Match[str]]) -> Iterator[Call]:
    open_calls: dict[int, tuple[float, str]] = {}
    for line in lines:
        pid, time_s, rest = int(line["pid"] or 0), float(line["time"]), line["rest"]
        if rest.endswith(_UNFINISHED):
            open_calls[pid] = (time_s, rest.removesuffix(_UNFINISHED))
            continue
        end_s = None
        if resumed := _RESUMED.match(rest):
            begun = open_calls.pop(pid, None)
            if begun is None:
                continue
            end_s = time_s
            time_s, rest = begun[0], begun[1].rstrip() + resumed["rest"]
        if call := _call(rest):
            yield Call(time_s, end_s, pid, *call)


def _call(text: str) -> tuple[str, str, int | None, str] | None:
    found = _CALL.match(text)
    if found is None:
        return None
    # The last one, since what was sent may hold the same characters; the space before "=" may be wide.
    arguments, bracket, behind = found["arguments"].rpartition(")")
    while bracket and not behind.lstrip().startswith("="):
        arguments, bracket, more = arguments.rpartition(")")
        behind = f"{more}){behind}"
    result = _RESULT.match(behind.lstrip().removeprefix("=").strip())
    if not bracket or result is None:
        return None
    value = None if result[1] == "?" else int(result[1], 16 if result[1].startswith("0x") else 10)
    return found["name"], arguments, value, result[2] or ""


def _unescaped(text: str) -> bytes:
    return _ESCAPE.sub(_byte, text.encode("utf-8", "surrogateescape"))


def _byte(escape: re.Match[bytes]) -> bytes:
    octal, hexadecimal, letter = escape.groups()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    return _LETTERS.get(letter, letter)
