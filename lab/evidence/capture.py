"""DNS messages on the wire, from a tcpdump capture of one end of the link."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from lab.evidence import frames, message, packets, transport
from lab.evidence.constants import DNS_PORT
from lab.evidence.errors import UnreadableError
from lab.evidence.flow import Flow
from lab.evidence.frames import Frame
from lab.evidence.message import Message
from lab.evidence.packets import Packet
from lab.evidence.stream import PartialBytes, Stream
from lab.evidence.transport import Datagram, Segment


@dataclass(frozen=True)
class WirePacket:
    """One captured DNS message.

    Attributes:
        time_s: Timestamp, CLOCK_REALTIME in seconds; over TCP, of the segment that completed the message. A float
            holds current time to a quarter of a microsecond.
        flow: The 5-tuple.
        protocol: `udp` or `tcp`.
        message: The DNS message; None when the payload is too short.
        number: The frame number in the file, from 1; ignored in comparisons.
        ttl: IP TTL or hop limit; None where it is not shown.
        outgoing: Whether the capturing machine sent it; None where the capture does not show the direction.
        snapped: Whether the frame was truncated by the snapshot length.
        interface: The capture interface, `#3` where only its index is known; None where the capture has only one
            interface or shows none.
    """

    time_s: float
    flow: Flow
    protocol: Literal["udp", "tcp"]
    message: Message | None
    number: int = field(default=0, compare=False)
    ttl: int | None = field(default=None, compare=False)
    outgoing: bool | None = field(default=None, compare=False)
    snapped: bool = field(default=False, compare=False)
    interface: str | None = field(default=None, compare=False)


def parse(data: bytes, most: int | None = None) -> tuple[WirePacket, ...]:
    """Parse a capture: pcap of either byte order, in microseconds or nanoseconds, or pcapng.

    Returns the DNS messages to and from port 53, in file order. A truncated last record is left out.

    Args:
        data: The file's bytes.
        most: Maximum number of DNS messages; None for no limit.

    Raises:
        UnreadableError: the file is empty, not a capture, damaged, of an unknown link type, or has more than `most`
            messages.
    """
    link = frames.read_link_type(data)
    if link is not None and not packets.is_known(link):
        raise _unknown(link)
    directions: dict[Flow, _Direction] = defaultdict(_Direction)
    messages = (message for frame in frames.read(data) for message in _messages(frame, directions))
    wire_packets = tuple(islice(messages, most))
    if most is not None and len(wire_packets) == most and next(messages, None) is not None:
        raise UnreadableError(f"it has more than {most} DNS messages: cut out the stall (editcap -A START -B END)")
    return wire_packets


def _unknown(link: int) -> UnreadableError:
    return UnreadableError(f"the capture is of link type {link}, which is not known here")


def _messages(frame: Frame, directions: dict[Flow, _Direction]) -> Iterator[WirePacket]:
    """Yield the DNS messages that a frame completes: at most one over UDP."""
    if not packets.is_known(frame.link):
        raise _unknown(frame.link)
    if not packets.may_have_port(frame, DNS_PORT):
        return
    packet = packets.extract_packet(frame)
    segment = _segment(packet) if packet else None
    if packet is None or segment is None or DNS_PORT not in {segment.sport, segment.dport}:
        return
    flow = Flow(packet.src, segment.sport, packet.dst, segment.dport)
    protocol: Literal["udp", "tcp"] = "udp"
    if isinstance(segment, Datagram):
        payloads = iter([segment.data])
    else:
        protocol = "tcp"
        payloads = directions[flow].take(segment, _length(packet, segment))
    where = (frame.number, packet.ttl, packets.is_outgoing(frame), frame.snapped, packets.interface_name(frame))
    for payload in payloads:
        yield WirePacket(frame.time_s, flow, protocol, message.parse(payload), *where)


def _segment(packet: Packet) -> Datagram | Segment | None:
    """Return a packet's UDP datagram or TCP segment; None when it has none, or a truncated one."""
    if packet.protocol == packets.UDP:
        return transport.parse_datagram(packet.payload)
    return transport.parse_segment(packet.payload) if packet.protocol == packets.TCP else None


def _length(packet: Packet, segment: Segment) -> int:
    """Return a TCP segment's payload length on the wire, in bytes; the capture may hold less.

    With TCP segmentation offload the IP header has no length: then the captured length is returned.
    """
    return len(segment.data) if packet.length is None else max(packet.length - segment.header_bytes, 0)


@dataclass
class _Direction:
    """Reassembles one direction of a TCP connection and extracts its DNS messages."""

    stream: Stream = field(default_factory=Stream)
    expected: int | None = None
    early: dict[int, PartialBytes] = field(default_factory=dict)

    def take(self, segment: Segment, length: int) -> Iterator[bytes]:
        """Add a segment and yield the messages that it completes."""
        if segment.syn:
            self.stream, self.expected, self.early = Stream(), (segment.seq + 1) & 0xFFFFFFFF, {}
            return
        if length == 0:
            return
        if self.expected is None:  # the capture began mid-stream: assume a message starts here
            self.expected = segment.seq
        # Out-of-order segments wait here; retransmitted ones are never popped.
        self.early[segment.seq] = PartialBytes.join([(segment.data, False)], length)
        while shown := self.early.pop(self.expected, None):
            self.expected = (self.expected + len(shown.data)) & 0xFFFFFFFF
            yield from self.stream.take(shown)
