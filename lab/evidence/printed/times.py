"""Timestamps of printed packets, in all forms of tcpdump and tshark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise

from lab.evidence.constants import DAY_S, REALTIME_LEAST_S
from lab.evidence.strace import TimestampKind

STAMP = (
    r"(?:(?:(?P<date>\d{4}-\d\d-\d\d)[ T])?"
    r"(?P<clock>(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:[.,]\d{1,9})?)(?:Z|[+-]\d\d:?\d\d)?|"
    r"(?P<unix>\d{1,10}\.\d{1,9}))"
)
"""A date and a time (-tttt), a time of day, seconds since 1970 (-tt) or since the start (tshark)."""


_BACK_S = 1.0
"""Packets of two interfaces may be printed out of order, by less than this."""

_LIST_BACK_S = 0.1
"""In the list of one capture, packets of two interfaces are out of order by less than this."""

_SHORT_S = 60.0


@dataclass(frozen=True)
class Time:
    """One printed timestamp: in seconds, with the kind of clock."""

    time_s: float
    clock: TimestampKind


def read(match: re.Match[str]) -> Time:
    """Return the time that STAMP matched; Clock.NONE without a time."""
    if match["unix"] is not None:
        time_s = float(match["unix"])
        return Time(time_s, TimestampKind.REALTIME if time_s >= REALTIME_LEAST_S else TimestampKind.START)
    if match["clock"] is None:
        return Time(0.0, TimestampKind.NONE)
    hours, minutes, seconds = match["clock"].replace(",", ".").split(":")
    time_s = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if match["date"] is not None:
        try:
            time_s += datetime.strptime(f"{match['date']} +0000", "%Y-%m-%d %z").timestamp()
        except ValueError:
            return Time(time_s, TimestampKind.DAY)
    return Time(time_s, TimestampKind.DAY)


def split(times: Sequence[Time]) -> list[tuple[int, int]]:
    """Split times into captures: a new one begins where time goes back, or the kind of clock changes.

    A capture may extend past midnight.
    """
    if is_spans(times):
        return [(0, len(times))]
    begins = [0]
    for at, (one, other) in enumerate(pairwise(times), 1):
        back_s = one.time_s - other.time_s
        midnight = other.clock is TimestampKind.DAY and back_s > DAY_S / 2
        if one.clock is not other.clock or (back_s > _BACK_S and not midnight):
            begins.append(at)
    return list(zip(begins, [*begins[1:], len(times)], strict=True)) if times else []


def is_spans(times: Sequence[Time]) -> bool:
    """Return whether each time is the time since the previous line (tcpdump -ttt): short, and not increasing.

    The time since the start (-ttttt) looks the same, but only increases.
    """
    if not times or any(each.clock is not TimestampKind.DAY or each.time_s >= _SHORT_S for each in times):
        return False
    return any(one.time_s > other.time_s for one, other in pairwise(times))


def accumulate_spans(times: Sequence[Time], numbers: Sequence[int]) -> list[Time]:
    """Return the times of numbered packets with spans (tshark -t d) added up.

    Within one list, whose numbers only increase, the time since the start does not go back. If numbers are missing, a
    display filter hid packets and their spans: then the times are unknown.
    """
    ends = [at for at, (one, other) in enumerate(pairwise(numbers), 1) if other <= one]
    times_found: list[Time] = []
    for begin, end in pairwise([0, *ends, len(times)]):
        part = times[begin:end]
        if not _are_numbered_spans(part):
            times_found += part
        elif numbers[end - 1] - numbers[begin] == len(part) - 1:
            times_found += [Time(total, TimestampKind.START) for total in accumulate(each.time_s for each in part)]
        else:
            times_found += [Time(0.0, TimestampKind.NONE) for _ in part]
    return times_found


def _are_numbered_spans(times: Sequence[Time]) -> bool:
    back = any(one.time_s - other.time_s > _LIST_BACK_S for one, other in pairwise(times))
    return back and all(each.clock is TimestampKind.START for each in times)


def normalize(times: Sequence[Time]) -> tuple[TimestampKind, list[float]]:
    """Return the kind of clock of one capture, and its times with spans added up and midnights removed."""
    if not times:
        return TimestampKind.NONE, []
    clock = times[0].clock
    if is_spans(times):
        total, times_s = 0.0, []
        for each in times:
            total += each.time_s
            times_s.append(total)
        return TimestampKind.START, times_s
    if clock is not TimestampKind.DAY:
        return clock, [each.time_s for each in times]
    if times[0].time_s == 0.0 and all(each.time_s < DAY_S for each in times):
        clock = TimestampKind.START
    days, before, times_s = 0, times[0].time_s, []
    for each in times:
        if before - each.time_s > DAY_S / 2:
            days += 1
        before = each.time_s
        times_s.append(each.time_s + days * DAY_S)
    return clock, times_s
