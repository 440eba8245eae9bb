"""The arguments of a system call as strace prints them, of any version: strings, words, and groups of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

DEPTH_MAX = 30
"""Nothing that strace prints is nested that deeply; what is would exhaust the stack."""

_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?', re.ASCII)
_WORD = re.compile(r'[^\s"(){}\[\],=]+', re.ASCII)
# strace -y and -yy: 3<UDP:[10.0.0.1:40000->10.0.0.53:53]>, AT_FDCWD</root>
_DECORATED = re.compile(r'(-?\d{1,10}|AT_FDCWD)<(?:[-=]>|[^<>"])*>', re.ASCII)
_KEY = re.compile(r"([A-Za-z_]\w{0,63})(?:\(\d{1,10}\))?=(?![>=])", re.ASCII)  # strace 4.8: msg_iov(1)=
_BLANK = re.compile(r"(?:\s|,|==|/\*.*?\*/)+", re.ASCII)
_INSTEAD = re.compile(r"\s*=>\s*", re.ASCII)
_ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-f]{2}|.)", re.ASCII | re.DOTALL)
_LETTERS = {"n": 10, "t": 9, "r": 13, "f": 12, "v": 11, "a": 7, "b": 8, '"': 0x22, "\\": 0x5C, "'": 0x27}
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Text:
    """A string: what bytes it shows, and whether more followed which are not shown (`strace -s`)."""

    data: bytes
    is_cut: bool


@dataclass(frozen=True)
class Group:
    """What stands in brackets of any kind, such as a struct, an array, the arguments of `htons(53)`.

    Attributes:
        name: What stands before the bracket, if anything: `htons`.
        items: The values, each with its name where it has one.
    """

    name: str
    items: tuple[tuple[str | None, Value], ...]

    def __getitem__(self, position: int) -> Value | None:
        """Give the value at a position; None when there are not so many."""
        return self.items[position][1] if position < len(self.items) else None

    def get(self, name: str) -> Value | None:
        """Give the first value of that name; None when there is none."""
        return next((value for key, value in self.items if key == name), None)

    def groups(self) -> Iterator[Group]:
        """Give the values that are groups."""
        return (value for _, value in self.items if isinstance(value, Group))


Value = str | Text | Group
"""A word (a number, a flag), a string, or a group."""


class _Unbalanced(ValueError):
    """The text is cut off, or no arguments at all."""


def arguments(text: str) -> tuple[Group, str] | None:
    """Read a call's arguments from behind the opening bracket, and give what is behind the closing one, too.

    Gives None when they are not whole.
    """
    reader = _Reader(text)
    try:
        group = reader.group("", ")", 0)
    except (ValueError, IndexError):
        return None
    return group, text[reader.at :]


def number(value: Value | None) -> int | None:
    """Give the number that a value is; None when it is none."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
        return int(value)
    return None


def timeout_s(value: Value | None) -> float | None:
    """Give poll's milliseconds, or ppoll's seconds and nanoseconds (without names in strace 4.8), in seconds.

    None stands for no timeout, and for what is none.
    """
    if isinstance(value, Group):
        seconds, nanoseconds = (number(value[position]) for position in (0, 1))
        return None if seconds is None or nanoseconds is None else seconds + nanoseconds / 1e9
    milliseconds = number(value)
    return None if milliseconds is None or milliseconds < 0 else milliseconds / 1e3


class _Reader:
    """Reads on from `at`; each step goes forward, so the time taken grows with the text's length alone."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def group(self, name: str, closer: str, depth: int) -> Group:
        if depth > DEPTH_MAX:
            raise _Unbalanced
        items: list[tuple[str | None, Value]] = []
        while True:
            self._skip(_BLANK)
            if self.text[self.at] == closer:
                self.at += 1
                return Group(name, tuple(items))
            key = self._skip(_KEY)
            value = self._value(depth)
            # What a call changed is shown as "before => after".
            if self._skip(_INSTEAD):
                value = _changed(value, self._value(depth))
            items.append((key[1] if key else None, value))

    def _value(self, depth: int) -> Value:
        if string := self._skip(_STRING):
            return Text(_unescaped(string[1]), is_cut=bool(string[2]))
        if decorated := self._skip(_DECORATED):
            return decorated[1]
        word = self._skip(_WORD)
        opener = self.text[self.at]
        if opener in _CLOSERS and (word is None or opener == "("):
            self.at += 1
            return self.group(word[0] if word else "", _CLOSERS[opener], depth + 1)
        if word is None:
            raise _Unbalanced
        return word[0]

    def _skip(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found


def _changed(before: Value, after: Value) -> Value:
    """Give what counts of both: of a struct the new fields beside the old, of anything else what came of it."""
    if isinstance(before, Group) and isinstance(after, Group):
        return Group(before.name, before.items + after.items)
    return after


def _unescaped(text: str) -> bytes:
    """Undo C's escapes; bytes from 0x80 on never stand for themselves.

    Raises:
        ValueError: what is there was not printed by strace.
    """
    if not text.isascii():
        raise ValueError(f"strace prints ASCII alone, not {text!r:.40}")
    return _ESCAPE.sub(_character, text).encode("latin-1")


def _character(escape: re.Match[str]) -> str:
    code = escape[1]
    if code[0] in "01234567":
        return chr(int(code, 8))  # over 0xff this fails to be encoded, as it should
    if len(code) > 1:
        return chr(int(code[1:], 16))
    if code not in _LETTERS:
        raise ValueError(f"no escape: \\{code}")
    return chr(_LETTERS[code])
