"""The model of printed captures."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TypeVar

from lab.evidence import flow
from lab.evidence.capture import WirePacket
from lab.evidence.constants import DNS_PORT
from lab.evidence.fields import PORT_MAX
from lab.evidence.printed import times
from lab.evidence.printed.times import Time
from lab.evidence.refusals import Refusal
from lab.evidence.strace import TimestampKind

_SERVICES = {"domain": DNS_PORT, "mdns": 5353, "hostmon": 5355}
"""Relevant port names (IANA)."""

_REMEMBERED_MAX = 10_000
"""Maximum size of the cache of endpoints: a capture has few hosts and many packets."""

_HOST = re.compile(r"[\w.:%-]{1,280}")


_Item = TypeVar("_Item")


@dataclass(frozen=True)
class PrintedDatagram:
    """A UDP packet that was not decoded as DNS: to another port, or because of tcpdump -q.

    Attributes:
        time_s: Time by the text's clock, in seconds.
        flow: The 5-tuple.
        length: Length of its payload in bytes.
        line: Line number, from 1.
        outgoing: Whether the capturing machine sent it; None where the text does not show it.
        interface: The interface's name; None where it is not shown.
    """

    time_s: float
    flow: flow.Flow
    length: int
    line: int
    outgoing: bool | None = None
    interface: str | None = None


@dataclass(frozen=True)
class PrintedCapture:
    """A printed capture.

    Attributes:
        program: The program that printed it: `tcpdump` or `tshark` (also for Wireshark).
        packets: DNS messages; an answer's question is known only if it was printed.
        refusals: Refusals of DNS packets.
        undecoded: UDP packets that were not decoded.
        frames: Number of all packets.
        clock: The kind of timestamps.
        first_s: Time of the first packet, in seconds; 0 without packets.
        last_s: Time of the last packet, in seconds.
        ports: Whether ports are shown; if not, all are 0, and it is unknown which messages share a socket.
        names: Whether host names are shown instead of addresses.
        dropped: Number of packets dropped by the kernel, as reported by the program.
    """

    program: str
    packets: tuple[WirePacket, ...]
    refusals: tuple[Refusal, ...]
    undecoded: tuple[PrintedDatagram, ...]
    frames: int
    clock: TimestampKind
    first_s: float
    last_s: float
    ports: bool = True
    names: bool = False
    dropped: int = 0


@dataclass
class Endpoints:
    """Parses hosts and ports; records whether host names occurred, and numbers unknown port names."""

    names: bool = False
    services: dict[str, int] = field(default_factory=dict)
    _read: dict[str, tuple[str, int | None]] = field(default_factory=dict)

    def host(self, text: str) -> str:
        """Return an address in canonical form, or a host name in lower case."""
        try:
            return flow.normalize_address(text.partition("%")[0])
        except ValueError:
            self.names = True
            return text.lower()

    def read(self, text: str) -> tuple[str, int | None]:
        """Parse `HOST.PORT` into host and port; the port is None if it is missing, as in ICMP.

        An unknown port name gets a unique number above the range of ports, so that equal ports can still be compared.
        """
        endpoint = self._read.get(text)
        if endpoint is None:
            endpoint = self._split(text)
            if len(self._read) < _REMEMBERED_MAX:
                self._read[text] = endpoint
        return endpoint

    def _split(self, text: str) -> tuple[str, int | None]:
        try:
            return flow.normalize_address(text.partition("%")[0]), None
        except ValueError:
            host, _, port = text.rpartition(".")
        if not host or not _HOST.fullmatch(host):
            return self.host(text), None
        if port.isascii() and port.isdigit() and len(port) <= len(str(PORT_MAX)) and int(port) <= PORT_MAX:
            return self.host(host), int(port)
        known = _SERVICES.get(port)
        return self.host(host), known or self.services.setdefault(port, PORT_MAX + 1 + len(self.services))


def between(items: Sequence[tuple[int, _Item]], begin: int, end: int) -> list[tuple[int, _Item]]:
    """Return the items whose time index is within a range, with the index relative to its begin."""
    first, last = (bisect_left(items, at, key=itemgetter(0)) for at in (begin, end))
    return [(at - begin, item) for at, item in items[first:last]]


def build_printed(
    program: str, when: Sequence[Time], items: Sequence[tuple[int, WirePacket | Refusal | PrintedDatagram]]
) -> PrintedCapture:
    """Build a printed capture.

    Args:
        program: The program that printed it.
        when: The time of each packet.
        items: The relevant packets, each with the index of its time.
    """
    clock, times_s = times.normalize(when)
    timed = [replace(item, time_s=times_s[at]) for at, item in items]
    return PrintedCapture(
        program=program,
        packets=tuple(item for item in timed if isinstance(item, WirePacket)),
        refusals=tuple(item for item in timed if isinstance(item, Refusal)),
        undecoded=tuple(item for item in timed if isinstance(item, PrintedDatagram)),
        frames=len(when),
        clock=clock,
        first_s=min(times_s, default=0.0),
        last_s=max(times_s, default=0.0),
    )
