"""Extracts IP packets from captured frames of several link types."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from lab.evidence.frames import Frame

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
"""IP protocol numbers (IANA)."""

ETHERTYPE_IPV4, ETHERTYPE_IPV6 = 0x0800, 0x86DD
_VLANS = {0x8100, 0x88A8, 0x9100}
_VLANS_MAX = 3

ETHERNET, SLL, SLL2 = 1, 113, 276

_LINKS = {ETHERNET: (12, 14), SLL: (14, 16), SLL2: (0, 20)}
"""Offsets of a frame's protocol field and of its payload (tcpdump.org/linktypes.html)."""

_BARE = {101: 0, 228: 0, 229: 0, 12: 0, 14: 0, 0: 4, 108: 4}
"""Offset of the packet in frames without a protocol field: LINKTYPE_RAW, _IPV4, _IPV6, the BSDs' numbers of the first,
and their loopback (LINKTYPE_NULL, _LOOP)."""

OUTGOING = 4
"""PACKET_OUTGOING, linux/if_packet.h."""

_HEADERS_MAX = 512
"""Upper limit of the link, IP, ICMP and quoted packet's headers together, with options."""

IPV4_BYTES, IPV6_BYTES = 20, 40
"""Least length of an IP header."""


@dataclass(frozen=True)
class Packet:
    """An IP packet.

    Attributes:
        src: Source address.
        dst: Destination address.
        protocol: The payload's protocol; of IPv6, the next header.
        ttl: TTL or hop limit.
        payload: The captured part of the payload.
        length: The payload's length on the wire, in bytes; None with TCP segmentation offload.
    """

    src: str
    dst: str
    protocol: int
    ttl: int
    payload: bytes
    length: int | None


def is_known(link: int) -> bool:
    """Return whether a link type is supported."""
    return link in _LINKS or link in _BARE


def is_outgoing(frame: Frame) -> bool | None:
    """Return whether the capturing machine sent a frame; None where the link type does not show it (no `-i any`)."""
    if frame.link == SLL and len(frame.data) >= 2:  # noqa: PLR2004  sll_pkttype, 16 bits
        return int.from_bytes(frame.data[:2], "big") == OUTGOING
    if frame.link == SLL2 and len(frame.data) > 10:  # noqa: PLR2004  sll2_pkttype, 8 bits
        return frame.data[10] == OUTGOING
    return None


def interface_name(frame: Frame) -> str | None:
    """Return a frame's capture interface: its name in a pcapng, `#INDEX` with `-i any`; None where it is unknown."""
    if frame.interface is not None:
        return frame.interface
    if frame.link == SLL2 and len(frame.data) >= 8:  # noqa: PLR2004  sll2_if_index, 32 bits
        return f"#{int.from_bytes(frame.data[4:8], 'big')}"
    return None


def may_have_port(frame: Frame, port: int) -> bool:
    """Return whether a port's bytes occur within the headers: a quick prefilter, which most frames do not pass."""
    return port.to_bytes(2, "big") in frame.data[:_HEADERS_MAX]


def extract_packet(frame: Frame) -> Packet | None:
    """Extract the IP packet from a frame; None when there is none, or its header is truncated.

    None is also returned for later fragments, which have no ports.
    """
    data = _without_link(frame)
    return parse_packet(data) if data else None


def parse_packet(data: bytes) -> Packet | None:
    """Parse an IP packet, such as the one quoted by an ICMP error; None when it is invalid."""
    version = data[0] >> 4 if data else 0
    if version == 4:  # noqa: PLR2004
        return _ipv4(data)
    return _ipv6(data) if version == 6 else None  # noqa: PLR2004


def _without_link(frame: Frame) -> bytes | None:
    if frame.link in _BARE:
        return frame.data[_BARE[frame.link] :]
    if frame.link not in _LINKS:
        return None
    at, begin = _LINKS[frame.link]
    protocol = int.from_bytes(frame.data[at : at + 2], "big")
    for _ in range(_VLANS_MAX):
        if protocol not in _VLANS:
            break
        protocol, begin = int.from_bytes(frame.data[begin + 2 : begin + 4], "big"), begin + 4
    return frame.data[begin:] if protocol in {ETHERTYPE_IPV4, ETHERTYPE_IPV6} else None


def _ipv4(data: bytes) -> Packet | None:
    if len(data) < IPV4_BYTES:
        return None
    length, fragment = struct.unpack_from("!H2xH", data, 2)
    header = (data[0] & 0xF) * 4
    if header < IPV4_BYTES or len(data) < header or fragment & 0x1FFF:
        return None
    src, dst = (socket.inet_ntop(socket.AF_INET, data[at : at + 4]) for at in (12, 16))
    payload = data[header : length or None]
    return Packet(src, dst, data[9], data[8], payload, max(length - header, 0) if length else None)


def _ipv6(data: bytes) -> Packet | None:
    if len(data) < IPV6_BYTES:
        return None
    (length,) = struct.unpack_from("!H", data, 4)
    src, dst = (socket.inet_ntop(socket.AF_INET6, data[at : at + 16]) for at in (8, 24))
    payload = data[IPV6_BYTES : IPV6_BYTES + length if length else None]
    return Packet(src, dst, data[6], data[7], payload, length or None)
