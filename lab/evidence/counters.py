"""Conntrack's counters, before and after: from the kernel's own file, or by conntrack(8)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from lab.evidence.errors import UnreadableError

ENTRIES = "entries"
"""The one column which is no counter: the size of the table now, the same in every processor's line."""

_HEX = re.compile(r"[0-9a-f]{1,16}", re.ASCII)
_PAIR = re.compile(r"([a-z_]{1,32})=(\d{1,20})", re.ASCII)
_OLD_PAIR = re.compile(r"([a-z_]{1,32})\s+(\d{1,20})\s*", re.ASCII)


def stat(text: str) -> dict[str, int]:
    """Read `/proc/net/stat/nf_conntrack`: a line of names, then one of hexadecimal counts for each processor.

    Gives each counter as the sum over the processors, and `entries` once: which names there are depends on the kernel.

    Raises:
        UnreadableError: it has another form.
    """
    names, *rows = [line.split() for line in text.splitlines() if line.strip()] or [[]]
    if not rows or ENTRIES not in names or len(set(names)) < len(names):
        raise UnreadableError(f"conntrack's counters are not understood: {text.strip()[:80]!r}")
    total: Counter[str] = Counter()
    for row in rows:
        if len(row) != len(names) or not all(_HEX.fullmatch(count) for count in row):
            raise UnreadableError(f"conntrack's counters of one processor are not understood: {' '.join(row)[:80]!r}")
        counts = {name: int(count, 16) for name, count in zip(names, row, strict=True)}
        # The latest word counts: the table may have changed between two lines.
        entries = counts.pop(ENTRIES)
        total.update(counts)
        total[ENTRIES] = entries
    return dict(total)


def tool(text: str) -> dict[str, int]:
    """Read `conntrack -S`: `cpu=N` and `name=count` in one line for each processor, or once, or `name count`.

    The last is what versions before 1.0 print. Gives each counter as the sum over the processors.

    Raises:
        UnreadableError: it has another form.
    """
    total: Counter[str] = Counter()
    for line in text.splitlines():
        if old := _OLD_PAIR.fullmatch(line):
            total[old[1]] += int(old[2])
            continue
        pairs = [_PAIR.fullmatch(word) for word in line.split()]
        for pair in pairs:
            if pair is None:
                raise UnreadableError(f"a line of conntrack -S is not understood: {line[:80]!r}")
            if pair[1] != "cpu":
                total[pair[1]] += int(pair[2])
    if not total:
        raise UnreadableError("conntrack -S said nothing")
    return dict(total)


@dataclass(frozen=True)
class Reading:
    """One counter, summed over the processors.

    Attributes:
        name: Its name, as the kernel has it.
        before: What it stood at before a trial.
        after: ... and after it.
    """

    name: str
    before: int
    after: int


def readings(before: dict[str, int], after: dict[str, int]) -> tuple[Reading, ...]:
    """Put two readings side by side, for each counter that both have.

    Raises:
        UnreadableError: one fell, see `rises`.
    """
    rises(before, after)
    return tuple(Reading(name, before[name], after[name]) for name in before if name in after and name != ENTRIES)


def rises(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Tell by how much each counter rose that both readings have; `entries` is none.

    Raises:
        UnreadableError: one fell, so the two are not of one namespace, or not in this order.
    """
    rose = {name: after[name] - before[name] for name in before.keys() & after.keys() - {ENTRIES}}
    for name in sorted(rose):
        if rose[name] < 0:
            raise UnreadableError(f"counters went back ({name}, {before[name]} to {after[name]}): other namespaces?")
    return {name: rose[name] for name in before if name in rose}
