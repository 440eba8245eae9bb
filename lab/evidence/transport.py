"""Parser of UDP and TCP headers in the payload of an IP packet."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_UDP = struct.Struct("!HHHH")
_TCP = struct.Struct("!HHIIBBHHH")
"""Ports, sequence and acknowledgment number, data offset, flags, window, checksum, urgent pointer (RFC 9293, 3.1)."""

_SYN, _RST = 0x02, 0x04


@dataclass(frozen=True)
class Datagram:
    """A UDP datagram.

    Attributes:
        sport: The source port.
        dport: The destination port.
        data: The captured part of its payload.
    """

    sport: int
    dport: int
    data: bytes


@dataclass(frozen=True)
class Segment:
    """A TCP segment.

    Attributes:
        sport: The source port.
        dport: The destination port.
        seq: The sequence number.
        syn: Whether the SYN flag is set.
        rst: Whether the RST flag is set.
        header_bytes: Length of its header with options.
        data: The captured part of its payload.
    """

    sport: int
    dport: int
    seq: int
    syn: bool
    rst: bool
    header_bytes: int
    data: bytes


def parse_datagram(payload: bytes) -> Datagram | None:
    """Parse a UDP datagram; None if its header is truncated."""
    if len(payload) < _UDP.size:
        return None
    sport, dport, length, _ = _UDP.unpack_from(payload)
    return Datagram(sport, dport, payload[_UDP.size : max(length, _UDP.size)])


def parse_segment(payload: bytes) -> Segment | None:
    """Parse a TCP segment; None if its header is truncated, or its data offset is too small."""
    if len(payload) < _TCP.size:
        return None
    sport, dport, seq, _, offset, flags, *_ = _TCP.unpack_from(payload)
    header_bytes = (offset >> 4) * 4
    if header_bytes < _TCP.size:
        return None
    return Segment(sport, dport, seq, bool(flags & _SYN), bool(flags & _RST), header_bytes, payload[header_bytes:])
