"""Lookup times from common measurements: curl -w in a loop, time getent, dig."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

STALLED_S = 0.9
"""Minimum duration of a stall: `timeout:1` is glibc's shortest timeout (resolv.conf(5))."""

WAITS_S = (1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.5, 10.0, 12.5, 15.0, 20.0, 30.0, 40.0, 60.0)
"""Multiples of resolvers' timeouts: glibc 5 s (resolv.h: RES_TIMEOUT) and `timeout:N` of resolv.conf, musl 2.5 s
(res_msend.c)."""

NEAR_S = 0.35
"""Allowance beside the timeouts: the answers, and the start of the timed program."""

NEAR_LONG_S = 0.7
"""The same beside timeouts of several seconds: a whole request with its connection may have been timed."""

_LONG_S = 5.0
_EARLY_S = 0.07
"""A clock with millisecond resolution, or one that was adjusted meanwhile, may show a wait this much shorter."""

SECONDS_MAX = 3600.0
"""Greater numbers are not lookup times."""

_NUMBER = r"(?P<number>\d{1,4}[.,]\d{1,9})"
_LABEL = r"(?:time[_ ]?namelookup|namelookup|name[_ ]lookup|dns(?:[_ ](?:lookup|time|resolution))?|lookup)"
_DATE = r"(?:[A-Za-z]{3,9},? )?(?:\S{1,12} {1,2}\d{1,2} |\d{4}-\d\d-\d\d[T ])?"
_PREFIX = rf"{_DATE}(?:\d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?)?(?:Z| [A-Z]{{3,5}}| ?[+-]\d\d:?\d\d)?(?: \d{{4}})?[ ,:]{{0,3}}"
_BARE = re.compile(rf"\s*(?:{_PREFIX}|\d{{1,9}}[:.)]? )?{_NUMBER} ?(?:s|sec|seconds)?\s*")
_LABELLED = re.compile(
    rf"(?i:.{{0,120}}?\b{_LABEL}\b['\"]?\s{{0,20}}[:=]?\s{{0,20}}['\"]?{_NUMBER} ?(?P<unit>ms|s)?\b.{{0,400}})"
)
_ROW = re.compile(rf"\s*{_NUMBER}(?P<more>(?:[ \t,;]+\d{{1,4}}\.\d{{3,9}}){{1,6}})\s*")
_TIMED = re.compile(r"\s*real[ \t]+(?:(?P<minutes>\d{1,3})m)?(?P<seconds>\d{1,5}[.,]\d{1,9})s?\s*")
_GNU_TIME = re.compile(r".{0,200}?(?:(?P<minutes>\d{1,3}):)?(?P<seconds>\d{1,2}\.\d\d)elapsed .*")
_ZSH_TIME = re.compile(
    r".{0,300}? [\d.]{1,9}s user [\d.]{1,9}s system \d{1,4}% cpu "
    r"(?:(?P<minutes>\d{1,3}):)?(?P<seconds>\d{1,5}\.\d{1,3}) total\s*"
)
_BSD_TIME = re.compile(r"\s+(?P<seconds>\d{1,5}\.\d\d) real\s+[\d.]{1,9} user\s+[\d.]{1,9} sys\s*(?P<minutes>(?!))?")
_POWERSHELL = re.compile(r"\s*TotalSeconds\s{1,12}: (?P<seconds>\d{1,5}[.,]\d{1,9})\s*(?P<minutes>(?!))?")
_DIG = re.compile(r"\s*;; Query time: (?P<number>\d{1,7}) (?P<unit>msec|usec|sec)\s*")
_DIG_UNITS = {"msec": 1e3, "usec": 1e6, "sec": 1.0}
_DIG_FAILED = re.compile(
    r"\s*;; (?:connection timed out; no servers could be reached|communications error to \S{1,120}: timed out)\s*|"
    r"\s*;; no servers could be reached\s*"
)
_CURL_FAILED = re.compile(
    r"\s*curl: \((?:6|28)\) (?:Could not resolve host|Resolving timed out|Connection timed out|name lookup).*"
)
_DIG_REST = re.compile(
    r"\s*;; (?:->>HEADER|flags|Got answer|QUESTION|ANSWER|AUTHORITY|ADDITIONAL|OPT PSEUDOSECTION|SERVER|WHEN|MSG SIZE|"
    r"global|Warning|Truncated|WARNING).*|\s*\S{1,300}\.\s+\d{1,10}\s+IN\s+[A-Z0-9]{1,10}\s+.{1,1000}|"
    r"\s*; <<>> DiG .*|\s*; EDNS.*|\s*;\S{1,300}\s+IN\s+[A-Z0-9]{1,10}\s*"
)


_LINE_MAX = 600
_LAST = frozenset("0123456789s")
_WORDS = ("lookup", "dns", "elapsed", " cpu ", "real", "totalseconds", ";; ", "curl: ")
"""A line with a time ends with a digit or `s`, or contains one of these words."""


@dataclass(frozen=True)
class Sample:
    """The duration of one lookup.

    Attributes:
        seconds: The duration; for a failed lookup the time until it failed, 0 where that is not shown.
        tool: The measuring tool: `curl`, `time`, `dig`.
        failed: Whether it ended without an answer.
        line: Line number, from 1.
    """

    seconds: float
    tool: str
    failed: bool = False
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Peak:
    """A resolver timeout, and the number of lookups that took about so long."""

    wait_s: float
    count: int


@dataclass(frozen=True)
class LookupStatistics:
    """Statistics of all lookups.

    Attributes:
        count: Number of lookups.
        stalled: Number of lookups that took at least a resolver's timeout.
        failed: Number of lookups that ended without an answer.
        peaks: The timeouts at which stalled lookups cluster, the shortest first.
        median_s: Median duration, in seconds.
    """

    count: int
    stalled: int
    failed: int
    peaks: tuple[Peak, ...]
    median_s: float


def summarize(samples: Sequence[Sample]) -> LookupStatistics:
    """Count the stalled lookups, and group them by resolver timeout."""
    timed = [sample.seconds for sample in samples if not sample.failed or sample.seconds]
    stalled = [seconds for seconds in timed if seconds >= STALLED_S]
    counts: dict[float, int] = {}
    for seconds in stalled:
        near = [wait for wait in WAITS_S if -_EARLY_S <= seconds - wait <= _beside(wait)]
        if near:
            counts[max(near)] = counts.get(max(near), 0) + 1
    return LookupStatistics(
        count=len(samples),
        stalled=len(stalled),
        failed=sum(sample.failed for sample in samples),
        peaks=tuple(Peak(wait, count) for wait, count in sorted(counts.items())),
        median_s=median(timed) if timed else 0.0,
    )


def _beside(wait_s: float) -> float:
    return NEAR_LONG_S if wait_s >= _LONG_S else NEAR_S


def is_line(line: str) -> bool:
    """Return whether a line has a lookup time, or is another line of dig's output."""
    return _sample(line, 0) is not None or bool(_DIG_REST.fullmatch(line[:_LINE_MAX]))


def parse(lines: Iterable[tuple[int, str]]) -> tuple[Sample, ...]:
    """Parse lookup times from numbered lines; other lines are skipped."""
    return tuple(sample for number, line in lines if (sample := _sample(line, number)) is not None)


def _sample(line: str, number: int) -> Sample | None:
    line = line[:_LINE_MAX].rstrip()
    lower = line.lower()
    return _measured(line, number) if line[-1:] in _LAST or any(word in lower for word in _WORDS) else None


def _measured(line: str, number: int) -> Sample | None:
    for pattern in (_TIMED, _GNU_TIME, _ZSH_TIME, _BSD_TIME, _POWERSHELL):
        if match := pattern.fullmatch(line):
            seconds = int(match["minutes"] or 0) * 60 + float(match["seconds"].replace(",", "."))
            return _unless_long(seconds, "time", number)
    if match := _BARE.fullmatch(line) or _LABELLED.fullmatch(line) or _row(line):
        unit = match.groupdict().get("unit") or "s"
        seconds = float(match["number"].replace(",", ".")) / (1e3 if unit.lower() == "ms" else 1)
        return _unless_long(seconds, "curl", number)
    if match := _DIG.fullmatch(line):
        return _unless_long(int(match["number"]) / _DIG_UNITS[match["unit"]], "dig", number)
    if _DIG_FAILED.fullmatch(line):
        return Sample(0.0, "dig", failed=True, line=number)
    return Sample(0.0, "curl", failed=True, line=number) if _CURL_FAILED.fullmatch(line) else None


def _unless_long(seconds: float, tool: str, number: int) -> Sample | None:
    return Sample(seconds, tool, line=number) if seconds < SECONDS_MAX else None


def _row(line: str) -> re.Match[str] | None:
    """Match a row of curl's times since the start: they increase, and the first is the lookup's."""
    match = _ROW.fullmatch(line)
    return match if match and _rises(line) else None


def _rises(line: str) -> bool:
    """Return whether a row's numbers increase, as curl's times since the start do."""
    numbers = [float(word) for word in re.split(r"[ \t,;]+", line.strip()) if word]
    return all(one <= other for one, other in pairwise(numbers))
