"""Removes line prefixes added by other tools: grep, cat -n, docker compose, kubectl, ts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_INDENT = re.compile(r"\s+(?=\S)")

_PREFIXES = (
    re.compile(r"\s*[^\s:]{1,255}:\s*"),
    re.compile(r"\s*[^\s:]{1,255}:\d{1,9}:\s*"),
    re.compile(r"\s*\d{1,9}[:\t ]\s*"),
    re.compile(r"\s*[^\s:]{1,255}-\d{1,9}-\s*"),
    re.compile(r"\s*\S{1,255}\s{0,40}\| ?"),
    re.compile(r"\[pod/\S{1,255}\] "),
    re.compile(r"(?:[-*+\u2022]|\d{1,3}\.) +"),
    re.compile(r"[`|]{1,3} ?"),
)
"""grep's file and line (-H, -n, and -C for context lines); line numbers of cat -n, nl and less -N; docker compose's
service; kubectl logs --prefix; bullets and quote marks of Markdown."""

PLAIN, UNINDENTED = 0, 1
MODES = 2 + len(_PREFIXES)
"""Number of modes to read a line: unchanged, without indent, without one of the prefixes."""


def strip_prefix(line: str, mode: int) -> str | None:
    """Return a line without the prefix of a mode; None if it has no such prefix."""
    if mode == PLAIN:
        return line
    pattern = _INDENT if mode == UNINDENTED else _PREFIXES[mode - 2]
    match = pattern.match(line)
    return line[match.end() :] if match and match.end() < len(line) else None


def find_mode(line: str, accepts: Callable[[str], bool], modes: Iterable[int] = range(MODES)) -> int | None:
    """Return the first mode in which a line is accepted; None without one."""
    for mode in modes:
        rest = strip_prefix(line, mode)
        if rest is not None and accepts(rest):
            return mode
    return None
