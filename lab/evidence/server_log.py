"""Queries that arrived at the DNS server, from dnsmasq's log; a query that is missing there never arrived."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lab.evidence import flow, message
from lab.evidence.errors import UnreadableError
from lab.evidence.fields import PORT_MAX, parse_integer

RESOLUTION_S = 1.0
"""The log's timestamps have whole seconds: a query arrived within this time after its timestamp."""

SERVERS = ("dnsmasq", "lab-dns")
"""Programs that write this log: dnsmasq, and the server of `lab check` (provision/check/server.c)."""

_MARK = " query["

# Mon DD HH:MM:SS [HOST] dnsmasq[PID]: [SERIAL ADDRESS/PORT] query[TYPE] NAME from ADDRESS (dnsmasq's forward.c,
# log_query); the part in brackets is written with --log-queries=extra.
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
        day_s: Seconds since midnight by the machine's clock, to RESOLUTION_S; the log has no year.
        src: The client's address.
        sport: The client's port; None in logs without `extra`.
        qtype: The queried type's canonical name.
        name: The queried name.
        line: Line number in the log, from 1; ignored in comparisons.
    """

    day_s: float
    src: str
    sport: int | None
    qtype: str
    name: str
    line: int = field(default=0, compare=False)


def parse(text: str) -> tuple[ServedQuery, ...]:
    """Parse the queries from dnsmasq's log (`--log-queries`, with or without `=extra`), in order.

    Raises:
        UnreadableError: a query's line has another form, or no line is dnsmasq's.
    """
    if text.strip() and not any(name in text for name in SERVERS):
        raise UnreadableError(f"this is not a log of dnsmasq: {text.strip()[:80]!r}")
    return tuple(_query(line, number) for number, line in enumerate(text.split("\n"), 1) if _MARK in line)


def _query(line: str, number: int) -> ServedQuery:
    try:
        return _read(_QUERY.fullmatch(line.rstrip()), number)
    except ValueError as error:
        raise UnreadableError(f"cannot parse dnsmasq's line: {line[:120]!r}") from error


def _read(match: re.Match[str] | None, line: int) -> ServedQuery:
    if match is None:
        raise ValueError
    src = flow.normalize_address(match["src"])
    if match["asker"] is not None and flow.normalize_address(match["asker"]) != src:
        raise ValueError(match["asker"])
    return ServedQuery(
        day_s=float(int(match["hour"]) * 3600 + int(match["minute"]) * 60 + int(match["second"])),
        src=src,
        sport=None if match["sport"] is None else parse_integer(match["sport"], PORT_MAX),
        qtype=message.normalize_type(match["qtype"] or f"TYPE{match['number']}"),
        name=match["name"],
        line=line,
    )
