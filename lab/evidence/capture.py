"""DNS messages on the wire: what tcpdump captured on one end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import dpkt

from lab.evidence import frames, message, packets
from lab.evidence.errors import UnreadableError
from lab.evidence.flow import Flow
from lab.evidence.frames import Frame
from lab.evidence.message import Message
from lab.evidence.packets import Packet
from lab.evidence.stream import Shown, Stream

DNS_PORT = 53
"""RFC 1035, 4.2."""


@dataclass(frozen=True)
class WirePacket:
    """One DNS message that went by.

    Attributes:
        time_s: When, by CLOCK_REALTIME in seconds; over TCP, when the segment went by that completed it. A float holds
            today's time to a quarter of a microsecond.
        flow: Its 5-tuple.
        protocol: `udp` or `tcp`.
        message: The message; None when it is too short to be one.
        number: The number of its frame in the file, from 1; two messages are the same whatever file they are in.
        ttl: How many more routers it may pass.
        outgoing: Whether the machine that captured it sent it; None where the capture does not tell.
        snapped: Whether less of its frame was captured than there was.
    """

    time_s: float
    flow: Flow
    protocol: Literal["udp", "tcp"]
    message: Message | None
    number: int = field(default=0, compare=False)
    ttl: int = field(default=0, compare=False)
    outgoing: bool | None = field(default=None, compare=False)
    snapped: bool = field(default=False, compare=False)


def parse(data: bytes) -> tuple[WirePacket, ...]:
    """Read a capture: pcap of either byte order, in microseconds or nanoseconds, or pcapng.

    Gives what went to or from port 53, in the file's order. A last record that was cut off is not there.

    Raises:
        UnreadableError: it is empty, no capture, damaged, or of a link type that is not known here.
    """
    link = frames.link_of(data)
    if link is not None and not packets.is_known(link):
        raise _unknown(link)
    directions: dict[Flow, _Direction] = defaultdict(_Direction)
    return tuple(found for frame in frames.read(data) for found in _messages(frame, directions))


def _unknown(link: int) -> UnreadableError:
    return UnreadableError(f"the capture is of link type {link}, which is not known here")


def _messages(frame: Frame, directions: dict[Flow, _Direction]) -> Iterator[WirePacket]:
    """Give the DNS messages that a frame completes: one at most over UDP."""
    if not packets.is_known(frame.link):
        raise _unknown(frame.link)
    packet = packets.packet(frame)
    segment = _segment(packet) if packet else None
    if packet is None or segment is None or DNS_PORT not in {segment.sport, segment.dport}:
        return
    flow = Flow(packet.src, segment.sport, packet.dst, segment.dport)
    protocol: Literal["udp", "tcp"] = "udp"
    if isinstance(segment, dpkt.udp.UDP):
        payloads = iter([bytes(segment.data)[: max(segment.ulen - segment.__hdr_len__, 0)]])
    else:
        protocol = "tcp"
        payloads = directions[flow].take(segment, _length(packet, segment))
    where = (frame.number, packet.ttl, packets.outgoing(frame), frame.snapped)
    for payload in payloads:
        yield WirePacket(frame.time_s, flow, protocol, message.parse(payload), *where)


def _segment(packet: Packet) -> Any:  # noqa: ANN401  dpkt has no types
    """Give a packet's UDP or TCP part; None when it has none, or one that is cut off."""
    # dpkt is shown these two alone: not all of what it has for others stands up to damaged packets.
    reader = {packets.UDP: dpkt.udp.UDP, packets.TCP: dpkt.tcp.TCP}.get(packet.protocol)
    if reader is None:
        return None
    try:
        return reader(packet.payload)
    except dpkt.Error:
        return None


def _length(packet: Packet, segment: Any) -> int:  # noqa: ANN401
    """Give how much a TCP segment carried on the wire, of which the capture may hold less.

    Where the kernel left cutting into segments to the interface, that is not told: what is there counts.
    """
    return len(segment.data) if packet.length is None else max(packet.length - segment.off * 4, 0)


@dataclass
class _Direction:
    """One direction of a TCP connection: its segments are put into order, and its messages taken out."""

    stream: Stream = field(default_factory=Stream)
    expected: int | None = None
    early: dict[int, Shown] = field(default_factory=dict)

    def take(self, segment: Any, length: int) -> Iterator[bytes]:  # noqa: ANN401
        """Take a segment; give the messages that it completes."""
        if segment.flags & dpkt.tcp.TH_SYN:
            self.stream, self.expected, self.early = Stream(), (segment.seq + 1) & 0xFFFFFFFF, {}
            return
        if length == 0:
            return
        if self.expected is None:  # the capture began in the middle: at a message's beginning, it is hoped
            self.expected = segment.seq
        # One that came before its time waits; one that came again is never asked for.
        self.early[segment.seq] = Shown.of([(bytes(segment.data), False)], length)
        while shown := self.early.pop(self.expected, None):
            self.expected = (self.expected + len(shown.data)) & 0xFFFFFFFF
            yield from self.stream.take(shown)
