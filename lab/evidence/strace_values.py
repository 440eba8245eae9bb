"""Parser of system call arguments as printed by any strace version: strings, words, and groups of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

DEPTH_MAX = 30
"""Maximum nesting depth; strace output is less deep, and deeper input would exhaust the stack."""

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
    """A string: the bytes shown, and whether strace truncated it (`strace -s`)."""

    data: bytes
    is_cut: bool


@dataclass(frozen=True)
class Group:
    """The content of brackets of any kind: a struct, an array, the arguments of `htons(53)`.

    Attributes:
        name: The word before the bracket, such as `htons`; may be empty.
        items: The values, each with its name or None.
    """

    name: str
    items: tuple[tuple[str | None, Value], ...]

    def __getitem__(self, position: int) -> Value | None:
        """Return the value at a position; None when there are fewer values."""
        return self.items[position][1] if position < len(self.items) else None

    def get(self, name: str) -> Value | None:
        """Return the first value with a name; None when there is none."""
        return next((value for key, value in self.items if key == name), None)

    def groups(self) -> Iterator[Group]:
        """Return the values that are groups."""
        return (value for _, value in self.items if isinstance(value, Group))


Value = str | Text | Group
"""A word (a number, a flag), a string, or a group."""


class _Unbalanced(ValueError):
    """The text is truncated, or not an argument list."""


def parse_arguments(text: str) -> tuple[Group, str] | None:
    """Parse a call's arguments after the opening bracket; return them and the text after the closing one.

    Returns None when they are incomplete.
    """
    reader = _Reader(text)
    try:
        group = reader.group("", ")", 0)
    except (ValueError, IndexError):
        return None
    return group, text[reader.at :]


def parse_number(value: Value | None) -> int | None:
    """Return a value as an integer; None when it is not a number."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
        return int(value)
    return None


def parse_timeout_s(value: Value | None) -> float | None:
    """Return the timeout of poll (milliseconds) or ppoll (seconds and nanoseconds) in seconds.

    strace 4.8 prints ppoll's struct without names. Returns None for an infinite timeout, and for an invalid value.
    """
    if isinstance(value, Group):
        seconds, nanoseconds = (parse_number(value[position]) for position in (0, 1))
        return None if seconds is None or nanoseconds is None else seconds + nanoseconds / 1e9
    milliseconds = parse_number(value)
    return None if milliseconds is None or milliseconds < 0 else milliseconds / 1e3


class _Reader:
    """Recursive-descent parser; it never moves back, so it takes linear time."""

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
            # Values that the call changed are printed as "before => after".
            if self._skip(_INSTEAD):
                value = _merge(value, self._value(depth))
            items.append((key[1] if key else None, value))

    def _value(self, depth: int) -> Value:
        if string := self._skip(_STRING):
            return Text(_unescape(string[1]), is_cut=bool(string[2]))
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
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match


def _merge(before: Value, after: Value) -> Value:
    """Merge a changed value: a struct's new fields are added to the old ones, other values are replaced."""
    if isinstance(before, Group) and isinstance(after, Group):
        return Group(before.name, before.items + after.items)
    return after


def _unescape(text: str) -> bytes:
    """Decode C escapes; bytes from 0x80 on are always escaped.

    Raises:
        ValueError: the text was not printed by strace.
    """
    if not text.isascii():
        raise ValueError(f"strace prints only ASCII, not {text!r:.40}")
    return _ESCAPE.sub(_character, text).encode("latin-1")


def _character(escape: re.Match[str]) -> str:
    code = escape[1]
    if code[0] in "01234567":
        return chr(int(code, 8))  # above 0xff the encoding fails, as intended
    if len(code) > 1:
        return chr(int(code[1:], 16))
    if code not in _LETTERS:
        raise ValueError(f"not an escape: \\{code}")
    return chr(_LETTERS[code])
