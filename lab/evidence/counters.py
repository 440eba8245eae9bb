"""Conntrack's counters, from /proc, conntrack(8), nstat(8) or a monitoring exporter."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.evidence.errors import UnreadableError

ENTRIES = "entries"
"""The only column that is not a counter: the current size of the table, the same in every processor's line."""

_HEX = re.compile(r"[0-9a-f]{1,16}", re.ASCII)
_PAIR = re.compile(r"([a-z_]{1,32})=(\d{1,20})", re.ASCII)
_OLD_PAIR = re.compile(r"([a-z_]{1,32})\s+(\d{1,20})\s*", re.ASCII)


_ALL_NAMES = (
    "entries searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error "
    "error expect_new expect_create expect_delete search_restart clash_resolve chaintoolong"
)
NAMES = frozenset(_ALL_NAMES.split())
"""Counters of all kernel versions (ct_cpu_seq_show), and conntrack(8)'s names for them."""

_STAT_NAMES = re.compile(r"\s*entries\s+\w+.*\binsert_failed\b.*", re.ASCII)
_STAT_ROW = re.compile(r"\s*[0-9a-f]{8,16}(?:\s+[0-9a-f]{8,16}){3,30}\s*", re.ASCII)
_TOOL_ROW = re.compile(r"\s*(?:cpu=\d{1,6}\s+)?(?:[a-z_]{1,32}=\d{1,20}\s+){0,30}insert_failed=\d{1,20}\b.*", re.ASCII)
# node_nf_conntrack_stat_insert_failed 30; other exporters also have conntrack in the name, and labels.
_METRIC = re.compile(
    r"\s*(?P<metric>[a-zA-Z_:]{0,64}conntrack[a-z_]{0,32}?)_(?P<name>"
    + "|".join(sorted(NAMES - {"entries"}, key=len, reverse=True))
    + r")(?:_total)?(?:\{(?P<labels>[^{}]{0,1000})\})?\s+(?P<value>\d{1,20}(?:\.\d{1,9})?(?:[eE]\+?\d{1,2})?)"
    r"(?:\s+\d{1,20})?\s*"
)
_OTHER_METRIC = re.compile(
    r"\s*(?:# (?:HELP|TYPE) [a-zA-Z_:]{0,64}conntrack.*|"
    r"[a-zA-Z_:]{0,64}_conntrack[a-z_]{0,64}(?:\{[^{}]{0,1000}\})?\s+[\d.e+-]{1,30}(?:\s+\d{1,20})?\s*)"
)
_LABEL = re.compile(r'([a-zA-Z_]\w{0,63})="([^"]{0,200})"')
_PER_PROCESSOR = frozenset({"cpu"})
_NSTAT = re.compile(
    r"\s*(?P<name>(?:Udp6?|UdpLite6?|Ip6?|IpExt|Icmp6?|TcpExt)[A-Z]\w{1,40})\s+(?P<value>\d{1,20})(?:\s+[\d.]{1,12})?\s*"
)
_COUNT_MAX = 1 << 64
_HEX_DIGITS = frozenset("0123456789abcdef")


def is_line(line: str) -> bool:
    """Return whether a line belongs to a reading of counters, in any form."""
    if "conntrack" in line and (_METRIC.fullmatch(line) or _OTHER_METRIC.fullmatch(line)):
        return True
    if "insert_failed" in line:
        return bool(_TOOL_ROW.fullmatch(line) or _STAT_NAMES.fullmatch(line) or _OLD_PAIR.fullmatch(line.strip()))
    if line[-1:] not in _HEX_DIGITS:
        return False
    old = _OLD_PAIR.fullmatch(line.strip())
    return bool((old and old[1] in NAMES) or _STAT_ROW.fullmatch(line) or _NSTAT.fullmatch(line))


@dataclass(frozen=True)
class Table:
    """One reading of counters.

    Attributes:
        form: `stat` for /proc/net/stat/nf_conntrack, `tool` for conntrack -S, `exporter` for a monitoring exporter,
            `nstat` for nstat(8).
        where: The labels that identify the machine, for `exporter`; else empty.
        counts: The counters' values by name.
        line: The first line of the reading, from 1.
    """

    form: str
    where: str
    counts: dict[str, int]
    line: int


def parse_tables(lines: Iterable[tuple[int, str]]) -> tuple[Table, ...]:
    """Parse successive readings of counters, in any form, from numbered lines.

    A new reading begins at a line of names, where the processor number starts again, or where a name is repeated. A
    reading with damaged lines is skipped.
    """
    tables = [
        table
        for form, part in _parts(lines)
        for table in (_metrics(part) if form == "exporter" else _table(form, part))
    ]
    return tuple(sorted(tables, key=lambda table: table.line))


_Part = list[tuple[int, str]]


def _form(line: str) -> str | None:
    if _METRIC.fullmatch(line):
        return "exporter"
    if _STAT_NAMES.fullmatch(line) or _STAT_ROW.fullmatch(line):
        return "stat"
    if _TOOL_ROW.fullmatch(line) or _OLD_PAIR.fullmatch(line.strip()):
        return "tool"
    return "nstat" if _NSTAT.fullmatch(line) else None


def _parts(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[str, _Part]]:
    """Yield the form and the lines of each reading."""
    form, part, seen = "", _Part(), set[str]()
    for number, line in lines:
        now = _form(line)
        if now is None:
            continue
        mark = _mark(now, line)
        if part and (now != form or mark in seen):
            yield form, part
            part, seen = [], set()
        form = now
        part.append((number, line.strip()))
        seen |= set() if mark is None else {mark}
    if part:
        yield form, part


def _mark(form: str, line: str) -> str | None:
    """Return a key that occurs once in a reading; None for a processor's row of hexadecimal numbers."""
    if form == "stat":
        return "names" if _STAT_NAMES.fullmatch(line) else None
    word = line.split(maxsplit=1)[0]
    return word if form != "tool" or word.startswith("cpu=") or "=" not in word else "once"


def _table(form: str, part: _Part) -> Iterator[Table]:
    counts: Counter[str] = Counter()
    if form == "stat":
        try:
            counts.update(parse_stat("\n".join(line for _, line in part)))
        except UnreadableError:
            return
    for _, line in part if form != "stat" else ():
        pairs = _PAIR.findall(line) or _OLD_PAIR.findall(line)
        if (one := _NSTAT.fullmatch(line)) and form == "nstat":
            pairs = [(one["name"], one["value"])]
        counts.update({name: int(count) for name, count in pairs if name != "cpu"})
    if form == "nstat" or "insert_failed" in counts:
        yield Table(form, "", dict(counts), part[0][0])


def _metrics(part: _Part) -> Iterator[Table]:
    """Yield an exporter's counters, one table per machine."""
    counts: dict[str, Counter[str]] = {}
    begins: dict[str, int] = {}
    for number, line in part:
        match = _METRIC.fullmatch(line)
        value = float(match["value"]) if match else 0.0
        if match is None or not value < _COUNT_MAX:
            continue
        labels = [pair for pair in _LABEL.findall(match["labels"] or "") if pair[0] not in _PER_PROCESSOR]
        where = ",".join(f'{name}="{text}"' for name, text in sorted(labels))
        counts.setdefault(where, Counter())[match["name"]] += int(value)
        begins.setdefault(where, number)
    for where, each in counts.items():
        yield Table("exporter", where, dict(each), begins[where])


def parse_stat(text: str) -> dict[str, int]:
    """Parse `/proc/net/stat/nf_conntrack`: a line of names, then one line of hexadecimal counts per processor.

    Returns each counter summed over the processors, and `entries` once. The set of names depends on the kernel.

    Raises:
        UnreadableError: the text has another form.
    """
    names, *rows = [line.split() for line in text.splitlines() if line.strip()] or [[]]
    if not rows or ENTRIES not in names or len(set(names)) < len(names):
        raise UnreadableError(f"cannot parse conntrack's counters: {text.strip()[:80]!r}")
    total: Counter[str] = Counter()
    for row in rows:
        if len(row) != len(names) or not all(_HEX.fullmatch(count) for count in row):
            raise UnreadableError(f"cannot parse conntrack's counters of one processor: {' '.join(row)[:80]!r}")
        counts = {name: int(count, 16) for name, count in zip(names, row, strict=True)}
        # The last value is used: the table may have changed between two lines.
        entries = counts.pop(ENTRIES)
        total.update(counts)
        total[ENTRIES] = entries
    return dict(total)


def parse_tool(text: str) -> dict[str, int]:
    """Parse `conntrack -S`: one line of `cpu=N` and `name=count` per processor, a single such line, or `name count`.

    The last form is that of versions before 1.0. Returns each counter summed over the processors.

    Raises:
        UnreadableError: the text has another form.
    """
    total: Counter[str] = Counter()
    for line in text.splitlines():
        if old := _OLD_PAIR.fullmatch(line):
            total[old[1]] += int(old[2])
            continue
        pairs = [_PAIR.fullmatch(word) for word in line.split()]
        for pair in pairs:
            if pair is None:
                raise UnreadableError(f"cannot parse a line of conntrack -S: {line[:80]!r}")
            if pair[1] != "cpu":
                total[pair[1]] += int(pair[2])
    if not total:
        raise UnreadableError("conntrack -S printed nothing")
    return dict(total)


@dataclass(frozen=True)
class CounterTotal:
    """One counter, summed over the processors.

    Attributes:
        name: The kernel's name of the counter.
        before: Value before the trial.
        after: Value after the trial.
    """

    name: str
    before: int
    after: int


def pair_readings(before: dict[str, int], after: dict[str, int]) -> tuple[CounterTotal, ...]:
    """Return both values of each counter that is in both readings.

    Raises:
        UnreadableError: a counter decreased, see `compute_rises`.
    """
    compute_rises(before, after)
    return tuple(CounterTotal(name, before[name], after[name]) for name in before if name in after and name != ENTRIES)


def compute_rises(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return the increase of each counter that is in both readings, without `entries`.

    Raises:
        UnreadableError: a counter decreased: the readings are of different namespaces, or in the wrong order.
    """
    rose = {name: after[name] - before[name] for name in before.keys() & after.keys() - {ENTRIES}}
    for name in sorted(rose):
        if rose[name] < 0:
            raise UnreadableError(f"counters decreased ({name}, {before[name]} to {after[name]}): other namespaces?")
    return {name: rose[name] for name in before if name in rose}
