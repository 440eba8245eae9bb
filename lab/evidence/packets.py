"""IP packets in captured frames, of whatever kind of interface they were captured on."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from lab.evidence.frames import Frame

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
"""Protocols (IANA)."""

_IPV4, _IPV6 = 0x0800, 0x86DD
_VLANS = {0x8100, 0x88A8, 0x9100}
_VLANS_MAX = 3

ETHERNET, SLL, SLL2 = 1, 113, 276

_LINKS = {ETHERNET: (12, 14), SLL: (14, 16), SLL2: (0, 20)}
"""Where a frame tells its protocol, and where that begins (tcpdump.org/linktypes.html)."""

_BARE = {101: 0, 228: 0, 229: 0, 12: 0, 14: 0, 0: 4, 108: 4}
"""Where the packet begins in frames that tell of no protocol: LINKTYPE_RAW, _IPV4, _IPV6, what the BSDs put in files
for the first, and their loopback (LINKTYPE_NULL, _LOOP)."""

_OUTGOING = 4
"""PACKET_OUTGOING, linux/if_packet.h."""

_IPV4_BYTES, _IPV6_BYTES = 20, 40


@dataclass(frozen=True)
class Packet:
    """An IP packet.

    Attributes:
        src: Where from.
        dst: Where to.
        protocol: What it carries: of IPv6, the header after the first.
        ttl: How many more routers it may pass.
        payload: What it carries, as far as that was captured.
        length: How long that was on the wire, in bytes; None where the kernel left cutting to the interface (TSO).
    """

    src: str
    dst: str
    protocol: int
    ttl: int
    payload: bytes
    length: int | None


def is_known(link: int) -> bool:
    """Say whether frames of a link type can be looked into."""
    return link in _LINKS or link in _BARE


def outgoing(frame: Frame) -> bool | None:
    """Say whether the machine that captured a frame sent it itself; None where frames do not tell (no `-i any`)."""
    if frame.link == SLL and len(frame.data) >= 2:  # noqa: PLR2004  sll_pkttype, 16 bits
        return int.from_bytes(frame.data[:2], "big") == _OUTGOING
    if frame.link == SLL2 and len(frame.data) > 10:  # noqa: PLR2004  sll2_pkttype, 8 bits
        return frame.data[10] == _OUTGOING
    return None


def packet(frame: Frame) -> Packet | None:
    """Give the IP packet in a frame; None when there is none, or one that is cut off within its header.

    A later fragment is none, either: it has no ports.
    """
    data = _without_link(frame)
    return quoted(data) if data else None


def quoted(data: bytes) -> Packet | None:
    """Give the packet that begins some bytes, as an ICMP error quotes one."""
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
    return frame.data[begin:] if protocol in {_IPV4, _IPV6} else None


def _ipv4(data: bytes) -> Packet | None:
    if len(data) < _IPV4_BYTES:
        return None
    length, fragment = struct.unpack_from("!H2xH", data, 2)
    header = (data[0] & 0xF) * 4
    if header < _IPV4_BYTES or len(data) < header or fragment & 0x1FFF:
        return None
    src, dst = (socket.inet_ntop(socket.AF_INET, data[at : at + 4]) for at in (12, 16))
    payload = data[header : length or None]
    return Packet(src, dst, data[9], data[8], payload, max(length - header, 0) if length else None)


def _ipv6(data: bytes) -> Packet | None:
    if len(data) < _IPV6_BYTES:
        return None
    (length,) = struct.unpack_from("!H", data, 4)
    src, dst = (socket.inet_ntop(socket.AF_INET6, data[at : at + 16]) for at in (8, 24))
    payload = data[_IPV6_BYTES : _IPV6_BYTES + length if length else None]
    return Packet(src, dst, data[6], data[7], payload, length or None)
