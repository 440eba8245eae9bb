"""DNS packets on the wire, as tcpdump wrote them."""

from __future__ import annotations

import io
import socket
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import dpkt

from lab.evidence import message
from lab.evidence.errors import UnreadableError
from lab.evidence.flow import Flow
from lab.evidence.message import Message

DNS_PORT = 53

_LENGTH_BYTES = 2
_LINKS = {
    dpkt.pcap.DLT_EN10MB: dpkt.ethernet.Ethernet,
    dpkt.pcap.DLT_LINUX_SLL: dpkt.sll.SLL,
    dpkt.pcap.DLT_LINUX_SLL2: dpkt.sll2.SLL2,
}
_RAW_IP = {dpkt.pcap.DLT_RAW, 12, 14}
"""LINKTYPE_RAW, and what BSDs call it: the packet begins with its IP header."""


@dataclass(frozen=True)
class WirePacket:
    """A DNS message on the wire.

    Attributes:
        time_s: When, by CLOCK_REALTIME, in seconds.
        flow: Its addresses and ports.
        protocol: By which protocol; over TCP, this is one message, whatever segments it came in.
        message: The message; None when it is too short to be read.
    """

    time_s: float
    flow: Flow
    protocol: Literal["udp", "tcp"]
    message: Message | None


def parse(data: bytes) -> tuple[WirePacket, ...]:
    """Read a pcap file and give the DNS messages over IPv4 in it; a record that is cut off at the end is not there.

    Raises:
        UnreadableError: it is no pcap file, or of a link type that is not known here.
    """
    if not data:
        raise UnreadableError("tcpdump left nothing, not even a file header")
    try:
        reader = dpkt.pcap.Reader(io.BytesIO(data))
    except (ValueError, dpkt.Error) as error:
        raise UnreadableError(f"this is no pcap file: it begins with {data[:4].hex()}") from error
    link = reader.datalink()
    if link not in _LINKS and link not in _RAW_IP:
        raise UnreadableError(f"packets of link type {link} are not known here")
    streams: dict[Flow, bytes] = defaultdict(bytes)
    return tuple(packet for time_s, frame in _records(reader) for packet in _packets(time_s, _ip(link, frame), streams))


def _records(reader: Iterator[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
    try:
        for time_s, frame in reader:
            yield float(time_s), frame
    except (ValueError, dpkt.Error):
        # The last one, if tcpdump was killed while it wrote: what is before it stands.
        return


def _ip(link: int, frame: bytes) -> object:
    try:
        if link in _RAW_IP:
            return dpkt.ip.IP(frame)
        return _LINKS[link](frame).data
    except (dpkt.Error, ValueError, IndexError):
        return None


def _packets(time_s: float, ip: object, streams: dict[Flow, bytes]) -> Iterator[WirePacket]:
    # A later fragment has no ports; dpkt leaves its payload as bytes.
    if not isinstance(ip, dpkt.ip.IP) or not isinstance(ip.data, dpkt.udp.UDP | dpkt.tcp.TCP):
        return
    segment = ip.data
    flow = Flow(socket.inet_ntoa(ip.src), segment.sport, socket.inet_ntoa(ip.dst), segment.dport)
    if DNS_PORT not in {flow.sport, flow.dport}:
        return
    payload = bytes(segment.data)
    if isinstance(segment, dpkt.udp.UDP):
        yield WirePacket(time_s, flow, "udp", message.parse(payload))
        return
    # Each message has its length before it (RFC 1035, 4.2.2). Segments of the test network are neither lost nor mixed.
    if segment.flags & dpkt.tcp.TH_SYN:
        streams[flow] = b""
    stream = streams[flow] + payload
    while len(stream) >= _LENGTH_BYTES:
        end = _LENGTH_BYTES + int.from_bytes(stream[:_LENGTH_BYTES], "big")
        if len(stream) < end:
            break
        yield WirePacket(time_s, flow, "tcp", message.parse(stream[_LENGTH_BYTES:end]))
        stream = stream[end:]
    streams[flow] = stream
