"""`lab watch --before --after`: two stored watches, compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.foundation.errors import BadInput
from lab.foundation.result import AS_ASKED, Result
from lab.watch.before_after import ComparedCounts, WatchesCompared
from lab.watch.result import StallCount, summed

FILE_MAX = 1 << 28
"""Most bytes read of a file."""

LOOKUPS_MAX = 1 << 48
"""A larger count is none of a watch's: at 100 000 lookups a second it takes 89 years."""


def compare_watches(before: Path, after: Path) -> Result[WatchesCompared]:
    """Compare what two watches printed with --json.

    Raises:
        BadInput: a file cannot be read, is no output of `lab watch --json`, or has no lookup.
    """
    one, other = _read(before), _read(after)
    names = [name for name in one if name in other]
    total = ComparedCounts("", summed(one.values()), summed(other.values()))
    for path, count in ((before, total.before), (after, total.after)):
        if not count.lookups:
            raise BadInput(f"{path} has no lookup to compare", hint="watch longer, or make some: --lookup NAME -n 100")
    compared = tuple(ComparedCounts(name, one[name], other[name]) for name in names)
    return Result(WatchesCompared(str(before), str(after), total, compared), AS_ASKED)


def _read(path: Path) -> dict[str, StallCount]:
    """Return the counts of each namespace that the last document of a file has."""
    try:
        if path.stat().st_size > FILE_MAX:
            raise BadInput(f"{path} is too large to be the output of 'lab watch --json'")
        text = path.read_text(errors="replace")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    for document in map(_document, reversed(text.splitlines())):
        if document is not None:
            return document
    raise BadInput(
        f"{path} is not the output of 'lab watch --json', or of a watch that did not end",
        hint=f"make one: lab watch --for 10m --json >{path.name}",
    )


def _document(line: str) -> dict[str, StallCount] | None:
    """Return the counts of a line that is a whole watch; None for any other line.

    Namespaces of one name are added up: a container that was restarted has another namespace.
    """
    try:
        members: Any = json.loads(line)
        rows = members["namespaces"]
        counts: dict[str, StallCount] = {}
        for row in rows:
            name, count = str(row["namespace"]), StallCount(int(row["stalled"]), int(row["lookups"]))
            if not 0 <= count.stalled <= count.lookups <= LOOKUPS_MAX:
                return None
            counts[name] = summed((counts.get(name, StallCount(0, 0)), count))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return counts
