"""Conntrack's counters, and by how much they rose during a trial."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from lab.evidence.errors import UnreadableError

NOT_COUNTED = frozenset({"entries"})
"""No counter, but how many entries there are now; each processor's row has the same (nf_conntrack_standalone.c)."""

_HEX = re.compile(r"[0-9a-f]{1,16}", re.ASCII)
_PAIR = re.compile(r"\b([a-z_]{1,32})=(\d{1,20})\b", re.ASCII)


def of_proc(text: str) -> dict[str, int]:
    """Read /proc/net/stat/nf_conntrack and give each counter's sum over the processors.

    Raises:
        UnreadableError: it is not such a file.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not lines or "insert_failed" not in lines[0]:
        raise UnreadableError("there is no line with the counters' names")
    names, *rows = lines
    if any(len(row) != len(names) or not all(_HEX.fullmatch(value) for value in row) for row in rows) or not rows:
        raise UnreadableError("the rows of counters do not fit their names")
    return {
        name: sum(int(row[column], 16) for row in rows) for column, name in enumerate(names) if name not in NOT_COUNTED
    }


def of_tool(text: str) -> dict[str, int]:
    """Read what `conntrack -S` prints and give each counter's sum over the processors.

    Raises:
        UnreadableError: it is not that.
    """
    sums: Counter[str] = Counter()
    for line in text.splitlines():
        sums.update({name: int(value) for name, value in _PAIR.findall(line) if name not in NOT_COUNTED | {"cpu"}})
    if "insert_failed" not in sums:
        raise UnreadableError("conntrack -S did not print its counters")
    return dict(sums)


def rises(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Give by how much each counter rose that both have.

    Raises:
        UnreadableError: one fell.
    """
    for name in before.keys() & after.keys():
        if after[name] < before[name]:
            raise UnreadableError(f"the counter {name} went back: read in two network namespaces?")
    return {name: after[name] - before[name] for name in before if name in after}
