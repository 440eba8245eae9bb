"""What the DNS server was asked, from dnsmasq's log: a query that is not in it never arrived."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lab.evidence import flow, message
from lab.evidence.errors import UnreadableError
from lab.evidence.fields import PORT_MAX, whole

RESOLUTION_S = 1.0
"""The log has whole seconds alone: a query came within so long after the time it has."""

SERVERS = ("dnsmasq", "lab-dns")
"""Who writes such a log: dnsmasq, and the server of `lab check` (provision/check/server.c)."""

_MARK = " query["

# Mon DD HH:MM:SS [HOST] dnsmasq[PID]: [SERIAL ADDRESS/PORT] query[TYPE] NAME from ADDRESS (dnsmasq's forward.c,
# log_query); the part in the middle is there with --log-queries=extra.
_QUERY = re.compile(
    r"[A-Z][a-z]{2} [ \d]\d (?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60) "
    r"(?:\S{1,255} )?(?:dnsmasq|lab-dns)(?:\[\d{1,10}\])?: "
    r"(?:\d{1,10} (?P<asker>[0-9a-fA-F.:]{2,45})/(?P<sport>\d{1,5}) )?"
    r"query\[(?:type=(?P<number>\d{1,5})|(?P<qtype>[A-Z][A-Z0-9-]{0,15}))\] "
    r"(?P<name>\S{1,1100}) from (?P<src>\S{2,64})",
    re.ASCII,
)


@dataclass(frozen=True)
class ServedQuery:
    """One query that arrived.

    Attributes:
        day_s: When: seconds since midnight by the machine's own clock, to RESOLUTION_S; the log has no year.
        src: Who asked.
        sport: From which port; None in logs without `extra`.
        qtype: The type that was asked for, by its usual name.
        name: The name that was asked for.
        line: Which line of the log tells it, from 1; the same query is the same on whatever line.
    """

    day_s: float
    src: str
    sport: int | None
    qtype: str
    name: str
    line: int = field(default=0, compare=False)


def parse(text: str) -> tuple[ServedQuery, ...]:
    """Read dnsmasq's log (`--log-queries`, with or without `=extra`) and give the queries in order.

    Raises:
        UnreadableError: a line tells of a query in another form, or there is text, but no dnsmasq's.
    """
    if text.strip() and not any(name in text for name in SERVERS):
        raise UnreadableError(f"this is no log of dnsmasq: {text.strip()[:80]!r}")
    return tuple(_query(line, number) for number, line in enumerate(text.split("\n"), 1) if _MARK in line)


def _query(line: str, number: int) -> ServedQuery:
    try:
        return _read(_QUERY.fullmatch(line.rstrip()), number)
    except ValueError as error:
        raise UnreadableError(f"dnsmasq's line is not understood: {line[:120]!r}") from error


def _read(found: re.Match[str] | None, line: int) -> ServedQuery:
    if found is None:
        raise ValueError
    src = flow.address(found["src"])
    if found["asker"] is not None and flow.address(found["asker"]) != src:
        raise ValueError(found["asker"])
    return ServedQuery(
        day_s=float(int(found["hour"]) * 3600 + int(found["minute"]) * 60 + int(found["second"])),
        src=src,
        sport=None if found["sport"] is None else whole(found["sport"], PORT_MAX),
        qtype=message.type_named(found["qtype"] or f"TYPE{found['number']}"),
        name=found["name"],
        line=line,
    )
