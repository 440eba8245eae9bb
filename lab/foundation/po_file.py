"""Compiles gettext's .po files to the .mo format, which Python's gettext reads."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_MAGIC = 0x950412DE
_HEADER = struct.Struct("<7I")
"""Magic number, version, number of messages, offsets of the tables of originals and translations, size and offset
of the hash table (GNU gettext manual, "The Format of GNU MO Files")."""

_LINE = re.compile(r'(?:(?P<keyword>msgctxt|msgid|msgid_plural|msgstr|msgstr\[\d+\])\s+)?"(?P<text>(?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}

_Message = dict[str, str]


def compile_po(text: str, plural_forms: str) -> bytes:
    """Compile a catalogue to the content of a .mo file; untranslated and fuzzy messages are left out.

    Args:
        text: The .po file.
        plural_forms: The language's plural rule; the lab's catalogues have no header with it.

    Raises:
        ValueError: the file has an invalid line.
    """
    pairs = {"": f"Content-Type: text/plain; charset=utf-8\nPlural-Forms: {plural_forms}\n"}
    for message in _messages(text):
        translated = [value for keyword, value in message.items() if keyword.startswith("msgstr")]
        if any(translated):
            pairs[_original(message)] = "\0".join(translated)
    return _mo({original.encode(): translation.encode() for original, translation in pairs.items()})


def _original(message: _Message) -> str:
    """Return a message's key in a .mo file: context, singular and plural."""
    plural = f"\0{message['msgid_plural']}" if "msgid_plural" in message else ""
    context = f"{message['msgctxt']}\4" if "msgctxt" in message else ""
    return f"{context}{message['msgid']}{plural}"


def _messages(text: str) -> Iterator[_Message]:
    """Yield each message, as its texts by keyword."""
    message: _Message = {}
    keyword, fuzzy = "", False
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.startswith("#"):
            fuzzy = fuzzy or (line.startswith("#,") and "fuzzy" in line)
        elif found := _LINE.fullmatch(line.strip()):
            keyword = found["keyword"] or keyword
            message[keyword] = message.get(keyword, "") + _ESCAPED.sub(_unescaped, found["text"])
        elif line.strip():
            raise ValueError(f"line {number} is no gettext: {line:.60}")
        else:
            # A header is a message with an empty original.
            if message.get("msgid") and not fuzzy:
                yield message
            message, fuzzy = {}, False


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[1])


def _mo(pairs: dict[bytes, bytes]) -> bytes:
    count = len(pairs)
    tables, strings = [], b""
    begin = _HEADER.size + 2 * 8 * count
    originals = sorted(pairs)
    for text in (*originals, *(pairs[original] for original in originals)):
        tables.append(struct.pack("<2I", len(text), begin + len(strings)))
        strings += text + b"\0"
    header = _HEADER.pack(_MAGIC, 0, count, _HEADER.size, _HEADER.size + 8 * count, 0, 0)
    return header + b"".join(tables) + strings
