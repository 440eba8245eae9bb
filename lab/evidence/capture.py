"""DNS messages on the wire: what tcpdump captured on one end."""

from __future__ import annotations

import io
import socket
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import dpkt

from lab.evidence import message
from lab.evidence.errors import UnreadableError
from lab.evidence.flow import Flow
from lab.evidence.message import Message
from lab.evidence.stream import Shown, Stream

DNS_PORT = 53
"""RFC 1035, 4.2."""

_PCAPNG = b"\x0a\x0d\x0d\x0a"
_IPV4 = dpkt.ethernet.ETH_TYPE_IP.to_bytes(2, "big")
_PROTOCOLS = {bytes([dpkt.ip.IP_PROTO_TCP]), bytes([dpkt.ip.IP_PROTO_UDP])}
_VLAN = dpkt.ethernet.ETH_TYPE_8021Q.to_bytes(2, "big")

# Where a frame tells its protocol, and where that begins (tcpdump.org/linktypes.html).
_LINKS = {dpkt.pcap.DLT_EN10MB: (12, 14), dpkt.pcap.DLT_LINUX_SLL: (14, 16), dpkt.pcap.DLT_LINUX_SLL2: (0, 20)}
_RAW_LINKS = {101, dpkt.pcap.DLT_IPV4, 12, 14}
"""LINKTYPE_RAW, LINKTYPE_IPV4, and what the BSDs put in files for the first."""

_RECORD_MAX = 1 << 18
"""MAXIMUM_SNAPLEN of libpcap: a record that says it is longer is damaged."""

_FORMATS = {
    dpkt.pcap.TCPDUMP_MAGIC: (dpkt.pcap.FileHdr, dpkt.pcap.PktHdr, 10**6),
    dpkt.pcap.TCPDUMP_MAGIC_NANO: (dpkt.pcap.FileHdr, dpkt.pcap.PktHdr, 10**9),
    dpkt.pcap.PMUDPCT_MAGIC: (dpkt.pcap.LEFileHdr, dpkt.pcap.LEPktHdr, 10**6),
    dpkt.pcap.PMUDPCT_MAGIC_NANO: (dpkt.pcap.LEFileHdr, dpkt.pcap.LEPktHdr, 10**9),
}
"""How a file's header and records are read, and how many units of time are a second, by its first four bytes."""


@dataclass(frozen=True)
class WirePacket:
    """One DNS message that went by.

    Attributes:
        time_s: When, by CLOCK_REALTIME in seconds; over TCP, when the segment went by that completed it. A float holds
            today's time to a quarter of a microsecond.
        flow: Its 5-tuple.
        protocol: `udp` or `tcp`.
        message: The message; None when it is too short to be one.
        number: The number in the file, from 1, of the packet; over TCP, of the one that completed it.
    """

    time_s: float
    flow: Flow
    protocol: Literal["udp", "tcp"]
    message: Message | None
    number: int | None = field(default=None, compare=False)


def parse(data: bytes) -> tuple[WirePacket, ...]:
    """Read a pcap file of either byte order, in microseconds or nanoseconds.

    Gives what went to or from port 53 over IPv4, in the file's order. A last record that was cut off is not there.

    Raises:
        UnreadableError: it is empty, no pcap file, or of a link type that the lab never captures.
    """
    directions: dict[Flow, _Direction] = defaultdict(_Direction)
    found: list[WirePacket] = []
    for number, time_s, packet in _packets(data):
        segment = _segment(packet)
        if segment is None:
            continue
        flow = Flow(socket.inet_ntoa(packet.src), segment.sport, socket.inet_ntoa(packet.dst), segment.dport)
        if DNS_PORT not in {flow.sport, flow.dport}:
            continue
        if isinstance(segment, dpkt.udp.UDP):
            payload = bytes(segment.data)[: max(segment.ulen - segment.__hdr_len__, 0)]
            found.append(WirePacket(time_s, flow, "udp", message.parse(payload), number))
        else:
            messages = directions[flow].take(segment, _length(packet, segment))
            found += [WirePacket(time_s, flow, "tcp", message.parse(payload), number) for payload in messages]
    return tuple(found)


def _packets(data: bytes) -> Iterator[tuple[int, float, Any]]:
    """Give each IPv4 packet with its number in the file and its time."""
    if not data:
        raise UnreadableError("tcpdump left nothing, not even a file's header")
    if data.startswith(_PCAPNG):
        raise UnreadableError("this capture is pcapng: only tcpdump's own pcap is read")
    magic = int.from_bytes(data[:4], "big")
    if magic not in _FORMATS:
        raise UnreadableError(f"this is no capture: it begins with {data[:4].hex()}")
    header_class, record_class, ticks = _FORMATS[magic]
    if len(data) < header_class.__hdr_len__:
        raise UnreadableError(f"the capture's header is cut off after {len(data)} bytes")
    link = header_class(data).linktype
    if link not in _LINKS and link not in _RAW_LINKS:
        raise UnreadableError(f"the capture is of link type {link}, which is not known here")
    stream = io.BytesIO(data[header_class.__hdr_len__ :])
    number = 0
    while len(head := stream.read(record_class.__hdr_len__)) == record_class.__hdr_len__:
        record = record_class(head)
        number += 1
        if record.tv_usec >= ticks or record.caplen > _RECORD_MAX:
            raise UnreadableError(f"the capture has no record where one should be, {stream.tell()} bytes in")
        frame = stream.read(record.caplen)
        packet = _ip(link, frame) if len(frame) == record.caplen else None
        if packet is not None:
            yield number, record.tv_sec + record.tv_usec / ticks, packet


def _ip(link: int, frame: bytes) -> Any:  # noqa: ANN401  dpkt has no types
    """Give the IPv4 packet in a frame; None when there is another in it, or one that is cut off within its header."""
    if link in _LINKS:
        at, begin = _LINKS[link]
        if link == dpkt.pcap.DLT_EN10MB and frame[at : at + 2] == _VLAN:
            at, begin = at + 4, begin + 4
        if frame[at : at + 2] != _IPV4:
            return None
        frame = frame[begin:]
    # dpkt would look into every other protocol, too, and not all of that stands up to damaged packets.
    if not b"\x40" <= frame[:1] < b"\x50" or frame[9:10] not in _PROTOCOLS:
        return None
    try:
        return dpkt.ip.IP(frame)
    except dpkt.Error:
        return None


def _segment(packet: Any) -> Any:  # noqa: ANN401
    """Give a packet's UDP or TCP part; None for a later fragment, which has no ports, or one that is cut off."""
    return packet.data if isinstance(packet.data, dpkt.udp.UDP | dpkt.tcp.TCP) else None


def _length(packet: Any, segment: Any) -> int:  # noqa: ANN401
    """Give how much a TCP segment carried on the wire, of which the capture may hold less.

    Where the kernel left cutting into segments to the interface, the packet's length may be 0: what is there counts.
    """
    return max(int(packet.len) - packet.hl * 4 - segment.off * 4, 0) if packet.len else len(segment.data)


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
