"""Lines as provision/watch prints them, made for tests of `lab watch`."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lab.watch.protocol import parse
from lab.watch.result import StallSeen
from lab.watch.watcher import Watcher

A, AAAA = 1, 28
RECEIVED, SENT = 0, 4
"""PACKET_HOST and PACKET_OUTGOING, linux/if_packet.h."""

CLIENT, SERVER = "10.0.0.9", "10.0.0.53"
REALTIME_NS = 1_795_000_000_000_000_000


def message(dns_id: int, qtype: int, name: str, *, answer: bool) -> bytes:
    """Return the header and the question of a DNS message."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return (
        struct.pack("!HHHHHH", dns_id, 0x8180 if answer else 0x0100, 1, 0, 0, 0)
        + labels
        + struct.pack("!BHH", 0, qtype, 1)
    )


def packet(source: tuple[str, int], destination: tuple[str, int], payload: bytes) -> bytes:
    """Return an IPv4 or IPv6 packet with a UDP datagram."""
    udp = struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0) + payload
    addresses = b"".join(ipaddress.ip_address(end[0]).packed for end in (source, destination))
    if len(addresses) == 8:
        return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses + udp
    return struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + addresses + udp


@dataclass
class Lines:
    """The lines of a machine with some network namespaces, in order of time.

    Attributes:
        lines: Each line with its time in seconds.
    """

    lines: list[tuple[float, str]] = field(default_factory=list)

    def namespace(self, number: int, comm: str = "app", cgroup: str = "", time_s: float = 0.0) -> None:
        """Add a namespace."""
        texts = " ".join(text.encode().hex() or "-" for text in (comm, cgroup, "", ""))
        self.add(time_s, f"net {number} {4026531840 + number} {1000 + number} {texts}")

    def add(self, time_s: float, line: str) -> None:
        """Add a line."""
        self.lines.append((time_s, line))

    def packet(self, time_s: float, number: int, data: bytes, kind: int = SENT, interface: int = 2) -> None:
        """Add a packet."""
        self.add(time_s, f"p {number} {ns(time_s)} {interface} {kind} {data.hex()}")

    def query(  # noqa: PLR0913  what a query is
        self,
        time_s: float,
        number: int,
        dns_id: int,
        qtype: int,
        *,
        port: int = 40000,
        name: str = "www.lab.test",
        answered_s: float | None = 0.001,
    ) -> None:
        """Add a query of a namespace, and its answer after some seconds."""
        client, server = (CLIENT, port), (SERVER, 53)
        self.packet(time_s, number, packet(client, server, message(dns_id, qtype, name, answer=False)))
        if answered_s is not None:
            reply = packet(server, client, message(dns_id, qtype, name, answer=True))
            self.packet(time_s + answered_s, number, reply, RECEIVED)

    def counters(self, time_s: float, number: int, **counts: int) -> None:
        """Add a reading of conntrack's counters."""
        words = {"entries": 0, "found": 1, "invalid": 0, "insert": 0, "insert_failed": 0, "drop": 0, **counts}
        self.add(time_s, f"c {number} {ns(time_s)} " + " ".join(f"{name}={count}" for name, count in words.items()))

    def queues(self, time_s: float, number: int, full: int) -> None:
        """Add a reading of a queue that has lost packets because it was full."""
        row = f"    7   1234     1 2 65531     {full}     0     {full + 1}  1\n"
        self.add(time_s, f"q {number} {ns(time_s)} {row.encode().hex()}")

    def until(self, end_s: float) -> Iterator[str]:
        """Yield the lines with a tick each second until an end."""
        ticks = [(float(second) + 0.0005, tick(second + 0.0005)) for second in range(int(end_s) + 1)]
        yield "watch 1 1"
        yield from (line for _, line in sorted((*self.lines, *ticks), key=lambda each: each[0]))


def ns(time_s: float) -> int:
    """Return a time by the monotonic clock."""
    return 10**9 + round(time_s * 10**9)


def tick(time_s: float, step_s: float = 0.0) -> str:
    """Return the line of the clocks; the realtime clock was set by `step_s`."""
    return f"t {ns(time_s)} {REALTIME_NS + round((time_s + step_s) * 10**9)}"


def watch(lines: Iterable[str], watcher: Watcher | None = None) -> tuple[Watcher, list[StallSeen]]:
    """Return a watcher that took lines, with the stalls that it found."""
    watcher = watcher or Watcher()
    stalls = [stall for line in lines if (event := parse(line)) is not None for stall in watcher.take(event)]
    return watcher, [*stalls, *watcher.finish()]


def pair(lines: Lines, time_s: float, number: int = 0, *, port: int = 40000, dns_id: int = 100) -> None:
    """Add a healthy lookup."""
    lines.query(time_s, number, dns_id, A, port=port)
    lines.query(time_s + 0.0001, number, dns_id + 1, AAAA, port=port)


def clash(lines: Lines, time_s: float, number: int = 0, *, wait_s: float = 5.0) -> None:
    """Add a lookup whose AAAA query is lost before the wire, and is sent after the client's timeout."""
    lines.query(time_s, number, 7, A)
    if wait_s == 5.0:  # glibc asks both again
        lines.query(time_s + wait_s, number, 7, A)
    lines.query(time_s + wait_s + 0.002, number, 8, AAAA)


def socket_line(time_s: float, since_s: float, inode: int, pid: int = 99) -> tuple[float, str]:
    """Return the line of a socket of which no packet was captured."""
    at, since = (10**9 + round(each * 10**9) for each in (time_s, since_s))
    return time_s, f"s 0 {at} {since} 41000 {inode} 3500000A {pid} {b'app'.hex()} -"
