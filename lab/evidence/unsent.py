"""Sockets to DNS servers of which no packet came to the wire, as `lab watch` saves them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_LINE = re.compile(
    r"unsent udp port (?P<port>\d{1,5}) to (?P<server>[0-9a-fA-F.:]{2,45}) port (?P<dport>\d{1,5}) "
    r"for (?P<open_s>\d{1,9}(?:\.\d{1,3})?) s by (?P<process>.{1,300})"
)


@dataclass(frozen=True)
class UnsentSocket:
    """A connected UDP socket of which a capture of its namespace, running since before it was opened, has no packet.

    Attributes:
        port: Its local port.
        server: The server's address.
        dport: The server's port.
        open_s: How long it has been open, in seconds.
        process: Its process, in words.
        line: Line number, from 1.
    """

    port: int
    server: str
    dport: int
    open_s: float
    process: str
    line: int = field(default=0, compare=False)


def unsent_line(socket: UnsentSocket) -> str:
    """Return the line of a socket."""
    return (
        f"unsent udp port {socket.port} to {socket.server} port {socket.dport} for {socket.open_s:.1f} s "
        f"by {socket.process}"
    )


def is_line(line: str) -> bool:
    """Return whether a line describes such a socket."""
    return line.startswith("unsent udp ") and _LINE.fullmatch(line.strip()) is not None


def parse(lines: Iterable[tuple[int, str]]) -> tuple[UnsentSocket, ...]:
    """Parse sockets from numbered lines; other lines are skipped."""
    return tuple(
        UnsentSocket(
            int(match["port"]), match["server"], int(match["dport"]), float(match["open_s"]), match["process"], number
        )
        for number, line in lines
        if (match := _LINE.fullmatch(line.strip()))
    )
