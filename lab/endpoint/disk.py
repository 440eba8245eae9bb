"""Recognises a full disk of a machine, which its programs report in many ways, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

LOOK = ("df", "-kP", "/", "/run", "/tmp")  # noqa: S108  the places where the lab writes in a guest
"""Prints the free space (POSIX: `df`, options -k and -P)."""

LEAST_KB = 256
"""With less free space a trial's raw files do not fit."""

_COLUMNS = 6
"""File system, size, used, available, capacity, mount point."""


def full(printed: str) -> Sequence[str]:
    """Return the mount points without free space, from the output of `LOOK`."""
    rows = [line.split(None, _COLUMNS - 1) for line in printed.splitlines()[1:]]
    available = {row[5]: row[3] for row in rows if len(row) == _COLUMNS}
    return [place for place, kb in available.items() if kb.lstrip("-").isdecimal() and int(kb) < LEAST_KB]
