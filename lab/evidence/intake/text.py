"""Splits text of any encoding into lines, and removes additions of terminals, mails and forums from a line."""

from __future__ import annotations

import codecs
import re
from array import array
from collections.abc import Iterable, Sequence
from typing import overload

from lab.evidence.errors import UnreadableError

LINE_MAX = 1 << 19
"""Maximum bytes of a line. The longest relevant lines are strace's: a DNS message over TCP has at most 64 KiB
(RFC 1035, 4.2.2), and strace prints up to four characters per byte."""

LINES_MAX = 5_000_000
"""Maximum number of lines: their offsets take memory."""

_SAMPLE = 1 << 16
_CONTROL_BYTES = bytes(byte for byte in range(1, 0x20) if byte not in b"\t\n\v\f\r\x1b")
_BINARY_SHARE = 0.05
"""Minimum share of control characters in binary data. NUL bytes do not count: a crash leaves blocks of them in logs."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; UTF-32's little-endian mark begins with that of UTF-16, so it is first."""

_HALF = 0.4
"""Minimum share of NUL bytes at odd or even offsets in UTF-16; in Latin text almost every second byte is NUL."""


class Lines(Sequence[str]):
    """The lines of a text, decoded on access, so that a large file is in memory only once.

    Args:
        data: The text in UTF-8, with a line feed at the end of each line.
    """

    def __init__(self, data: bytes) -> None:
        if data.count(b"\n") > LINES_MAX:
            raise UnreadableError(f"it has more than {LINES_MAX} lines")
        self._data = data
        self._begins = array("I", [0])
        self._begins.extend(newline.end() for newline in re.finditer(b"\n", data))
        # Text after the last newline is a line if it is not empty.
        if self._begins[-1] < len(data):
            self._begins.append(len(data) + 1)

    def __len__(self) -> int:
        return len(self._begins) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        """Return a line without its newline, at most LINE_MAX bytes."""
        if isinstance(index, slice):
            return tuple(self[at] for at in range(*index.indices(len(self))))
        at = range(len(self))[index]
        begin, end = self._begins[at], self._begins[at + 1] - 1
        return self._data[begin : min(end, begin + LINE_MAX)].decode("utf-8", errors="replace").rstrip("\r")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lines) and self._data == other._data

    def __hash__(self) -> int:
        return hash(self._data)

    def is_cut(self, index: int) -> bool:
        """Return whether a line is longer than LINE_MAX."""
        return self._begins[index + 1] - 1 - self._begins[index] > LINE_MAX


def split_lines(data: bytes) -> Lines:
    """Split a text file of any encoding and any line ends into lines.

    Raises:
        UnreadableError: the data is not text, or has too many lines.
    """
    return Lines(_normalize_line_ends(_to_utf8(data)))


def from_decoded(text: str | Iterable[str]) -> Lines:
    """Split decoded text into lines."""
    return split_lines((text if isinstance(text, str) else "\n".join(text)).encode("utf-8", errors="replace"))


def _to_utf8(data: bytes) -> bytes:
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :]
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None) or _detect_utf16(data)
    if encoding is not None:
        return data.decode(encoding, errors="replace").encode("utf-8", errors="replace")
    sample = data[:_SAMPLE].replace(b"\0", b"")
    if len(sample) - len(sample.translate(None, _CONTROL_BYTES)) >= max(len(sample) * _BINARY_SHARE, 1):
        raise UnreadableError("it is not text")
    return data


def _detect_utf16(data: bytes) -> str | None:
    """Detect UTF-16 without a byte order mark: its NUL bytes are only at odd, or only at even offsets."""
    sample = data[:_SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    few, many = sorted((even, odd))
    if many < len(sample) / 2 * _HALF or few > many / 10:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _normalize_line_ends(data: bytes) -> bytes:
    """Convert lines that end with a carriage return only, as by old editors."""
    return data if b"\n" in data else data.replace(b"\r", b"\n")


# CSI and OSC sequences (ECMA-48), and two-character escapes.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,1000}(?:\x07|\x1b\\)|[@-Z\\^_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SUBSTITUTES = str.maketrans(
    {
        # Spaces of any width become spaces; zero-width characters are removed.
        **dict.fromkeys("\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a", " "),
        **dict.fromkeys("\u202f\u205f\u3000\u2028\u2029\u0085", " "),
        **dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad", None),
        # Word processors and chats substitute these for quotes, dots and arrows.
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
        **dict.fromkeys("\u2018\u2019\u201a\u2032", "'"),
        "\u2026": "...",
        "\u2192": "->",
        "\u2190": "<-",
    }
)
_QUOTES = re.compile(r"[>\s]*>\s?")


def tidy(line: str) -> str:
    """Return a line without escape sequences, special spaces, mail quote marks (`> `) and trailing spaces."""
    if "\x1b" in line:
        line = _ESCAPES.sub("", line)
    if not line.isascii():
        line = line.translate(_SUBSTITUTES)
    if not line.isprintable():
        line = _CONTROLS.sub("", line.replace("\t", " "))
    if line.lstrip()[:1] == ">":
        line = line[quoted.end() :] if (quoted := _QUOTES.match(line)) else line
    return line.rstrip()
