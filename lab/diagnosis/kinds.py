"""Kinds of text: which lines belong to each kind, and which reader parses it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from lab.diagnosis.material import (
    Calls,
    Capture,
    Confirms,
    Conntracks,
    Daemon,
    Denied,
    Disciplines,
    Drops,
    Log,
    Material,
    Options,
    Queues,
    Reading,
    Rules,
    Times,
    Traced,
    Unsent,
    Verdicts,
)
from lab.evidence import (
    confirms,
    conntracks,
    counters,
    daemon_log,
    drops,
    kernel_log,
    lookup_times,
    nfqueue,
    qdisc,
    resolv_conf,
    resolver,
    rules,
    strace,
    strace_text,
    trace,
    unsent,
    verdict_log,
)
from lab.evidence.errors import UnreadableError
from lab.evidence.intake.segments import Kind, LineGroup
from lab.evidence.intake.text import Lines
from lab.evidence.printed import tcpdump, tshark
from lab.evidence.printed.model import PrintedCapture

PRINTED_MAX = 150_000
"""Most lines of tcpdump or tshark output read."""

CALLS_MAX = 50_000
"""Most calls on sockets to DNS servers read from one strace."""

BEGINNING_MAX = 1000
"""Most lines read from a strace without DNS."""

_DENIED = re.compile(
    r".{0,200}conntrack.{0,200}(?:operation not permitted|must be root|cap_net_admin|permission denied).{0,200}",
    re.IGNORECASE,
)
_TRACED = re.compile(
    r"\s*(?:.{1,40}?-\d{1,7}\s+(?:\( *[\d-]{1,7}\)\s+)?\[\d{3,4}\]\s+(?:[\w.#]{4,6}\s+)?\d{1,10}\.\d{6,9}: \w{1,64}:.*|"
    r"# tracer: .*|# (?:entries-in-buffer|  {6,}).*|#\s*|#\s+[_/|-].*|##### CPU .*|CPU:\d{1,4} \[LOST .*)"
)


def _verdicts(name: str, part: LineGroup) -> Iterator[Material]:
    numbers, content = _joined(part)
    log = verdict_log.parse(content)
    yield Verdicts(name, replace(log, packets=tuple(replace(one, line=numbers[one.line - 1]) for one in log.packets)))


def _traced(name: str, part: LineGroup) -> Iterator[Material]:
    numbers, content = _joined(part)
    try:
        read = trace.parse(content)
    except UnreadableError:
        return
    yield Traced(name, replace(read, events=tuple(replace(one, line=numbers[one.line - 1]) for one in read.events)))


def _joined(part: LineGroup) -> tuple[list[int], str]:
    """Return a part as one text, with the file's line number of each of its lines."""
    lines = list(part)
    return [line.number for line in lines], "\n".join(line.text for line in lines)


def _denied(name: str, part: LineGroup) -> Iterator[Material]:
    yield from (Denied(name, line.text.strip()) for line in islice(part, 1))


def _readings(name: str, part: LineGroup) -> Iterator[Material]:
    for table in counters.parse_tables(part.numbered()):
        yield Reading(name, table.form, table.counts, table.line, table.where)


def _calls(name: str, part: LineGroup) -> Iterator[Material]:
    def numbered(of: LineGroup) -> Iterator[tuple[int, str]]:
        return ((line.number, strace_text.strip_date(line.text)) for line in of)

    for piece in strace_text.split_traces(numbered(part)):
        lines = numbered(part.between(piece.first, piece.last))
        # Calls matter only when there is a socket to a DNS server.
        lines = lines if piece.sockets else islice(lines, BEGINNING_MAX)
        read = strace.parse_lines(lines, piece.clock, strace_text.select_dns_calls(piece), CALLS_MAX)
        events = resolver.extract_events(read.calls)
        yield Calls(
            name,
            piece.clock,
            threads=piece.threads,
            forks=piece.forks,
            events=events,
            refusals=resolver.extract_refusals(read.calls),
            last_s=read.last_s,
            lines=_lines(part),
        )


def _printed(
    read: Callable[[Iterable[tuple[int, str]]], tuple[PrintedCapture, ...]], name: str, part: LineGroup
) -> Iterator[Material]:
    if part.count() > PRINTED_MAX:
        raise UnreadableError(f"it has more than {PRINTED_MAX} lines of packets: cut out some seconds around a stall")
    for printed in read(part.numbered()):
        snapped = sum(packet.snapped for packet in printed.packets)
        yield Capture(
            name,
            printed.packets,
            printed.refusals,
            printed.frames,
            printed.first_s,
            printed.last_s,
            snapped,
            printed.clock,
            printed=printed,
            lines=_lines(part),
        )


def _log(name: str, part: LineGroup) -> Iterator[Material]:
    yield Log(name, kernel_log.parse_lines(part.numbered()), _lines(part))


def _options(name: str, part: LineGroup) -> Iterator[Material]:
    conf = resolv_conf.parse_lines(part.numbered())
    if conf.nameservers or conf.options or conf.search:
        yield Options(name, conf)


def _daemon(name: str, part: LineGroup) -> Iterator[Material]:
    for log in daemon_log.parse(part.numbered()):
        yield Daemon(name, _lines(part), log.program, log.events)


def _rules(name: str, part: LineGroup) -> Iterator[Material]:
    yield Rules(name, _lines(part), rules.parse(part.numbered()))


def _dropped(name: str, part: LineGroup) -> Iterator[Material]:
    for output in drops.parse(part.numbered()):
        yield Drops(name, _lines(part), output.tool, output.drops)


def _lines(part: LineGroup) -> Lines:
    return part.sorted_lines.lines


READERS: Mapping[str, Callable[[str, LineGroup], Iterator[Material]]] = {
    "verdicts": _verdicts,
    "denied": _denied,
    "daemon": _daemon,
    "confirms": lambda name, part: _some(name, part, confirms.parse, Confirms),
    "drops": _dropped,
    "trace": _traced,
    "counters": _readings,
    "conntracks": lambda name, part: _some(name, part, conntracks.parse, Conntracks),
    "qdisc": lambda name, part: _some(name, part, qdisc.parse, Disciplines),
    "rules": _rules,
    "unsent": lambda name, part: _some(name, part, unsent.parse, Unsent),
    "nfqueue": lambda name, part: _some(name, part, nfqueue.parse, Queues),
    "strace": _calls,
    "tcpdump": lambda name, part: _printed(tcpdump.parse, name, part),
    "tshark": lambda name, part: _printed(tshark.parse, name, part),
    "resolv.conf": _options,
    "log": _log,
    "times": lambda name, part: _some(name, part, lookup_times.parse, Times),
}


_Item = TypeVar("_Item")


def _some(
    name: str,
    part: LineGroup,
    parse: Callable[[Iterable[tuple[int, str]]], tuple[_Item, ...]],
    make: Callable[[str, Lines, tuple[_Item, ...]], Material],
) -> Iterator[Material]:
    """Yield a part's items as one material, if there are any."""
    items = parse(part.numbered())
    if items:
        yield make(name, _lines(part), items)


def _is_log(line: str) -> bool:
    return kernel_log.is_line(line) and not daemon_log.is_line(line)


KINDS = (
    Kind("verdicts", lambda line: line.startswith('{"event"')),
    Kind("denied", lambda line: "onntrack" in line and _DENIED.fullmatch(line[:700]) is not None),
    Kind("daemon", daemon_log.is_line),
    Kind("confirms", confirms.is_line, splits=True),
    Kind("drops", drops.is_line),
    Kind("trace", lambda line: _TRACED.fullmatch(line[:4000]) is not None and not drops.is_line(line)),
    Kind("counters", counters.is_line),
    Kind("conntracks", conntracks.is_line),
    Kind("qdisc", qdisc.is_line),
    Kind("nfqueue", nfqueue.is_line),
    Kind("rules", rules.is_line),
    Kind("unsent", unsent.is_line),
    Kind("strace", strace_text.is_line, strace_text.may_begin, strace_text.has_end, strace_text.is_end, splits=True),
    Kind("tcpdump", tcpdump.is_line, tcpdump.may_begin, tcpdump.is_whole, cuts=True, splits=True),
    Kind("tshark", tshark.is_line, splits=True),
    Kind("resolv.conf", resolv_conf.is_line),
    Kind("log", _is_log, whole=kernel_log.is_whole, cuts=True),
    Kind("times", lookup_times.is_line, splits=True),
)
"""Kinds of text, in order of precedence: a line belongs to the first kind that matches it."""
