"""What the test network's server was asked: the log of dnsmasq (--log-queries)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.evidence.errors import UnreadableError

RESOLUTION_S = 1.0
"""The log has whole seconds: a query came up to this much later than it says."""

_LINE = re.compile(
    r"^\w{3} [ \d]\d (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d) dnsmasq\[\d{1,10}\]: "
    # With --log-queries=extra: a serial number, and the asker with its port.
    r"(?:\d{1,10} (?P<asker>[0-9a-fA-F.:]{2,45})/(?P<port>\d{1,5}) )?"
    r"query\[(?P<qtype>[A-Za-z0-9=]{1,16})\] (?P<name>\S{1,255}) from (?P<src>[0-9a-fA-F.:]{2,45})$",
    re.ASCII,
)


@dataclass(frozen=True)
class ServedQuery:
    """A query that the server got.

    Attributes:
        day_s: Since midnight by the server's own calendar, in whole seconds.
        src: Who asked.
        sport: From which port; None where the log does not say.
        qtype: The type asked for.
        name: The name asked for.
    """

    day_s: int
    src: str
    sport: int | None
    qtype: str
    name: str


def parse(text: str) -> tuple[ServedQuery, ...]:
    """Read the log and give the queries in order; its other lines are passed over.

    Raises:
        UnreadableError: a line about a query is not understood.
    """
    return tuple(_query(line) for line in text.splitlines() if " query[" in line)


def _query(line: str) -> ServedQuery:
    found = _LINE.match(line)
    port = int(found["port"]) if found and found["port"] else None
    if found is None or (port or 0) > 0xFFFF:  # noqa: PLR2004  ports have 16 bits
        raise UnreadableError(f"the server's line is not understood: {line[:120]!r}")
    day_s = (int(found["hour"]) * 60 + int(found["minute"])) * 60 + int(found["second"])
    return ServedQuery(day_s, found["src"], port, found["qtype"], found["name"])
