"""Compare an output shown in a document with the real one."""

from __future__ import annotations

from collections.abc import Sequence

LEFT_OUT = "..."
"""A line that stands for any number of lines."""


def difference(shown: Sequence[str], printed: str) -> str | None:
    """Return where the output shown differs from what was printed; None when it does not."""
    lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
    parts = _parts([line.rstrip() for line in shown])
    position = 0
    for number, part in enumerate(parts):
        is_first, is_last = number == 0, number == len(parts) - 1
        at = position if is_first else _find(part, lines, position)
        if is_last and not is_first:
            at = len(lines) - len(part)
        if at is None or at < position or lines[at : at + len(part)] != part:
            return "\n".join(["not printed here:", *part, "printed:", *lines[position:]])
        position = at + len(part)
    return None if len(parts) > 1 or position == len(lines) else "\n".join(["also printed:", *lines[position:]])


def _parts(shown: Sequence[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in shown:
        if line == LEFT_OUT:
            parts.append([])
        else:
            parts[-1].append(line)
    return parts


def _find(part: list[str], lines: list[str], start: int) -> int | None:
    return next((at for at in range(start, len(lines) - len(part) + 1) if lines[at : at + len(part)] == part), None)
