"""Writes packets as a capture file that says when the capture ended (draft-ietf-opsawg-pcapng)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from lab.evidence import frames
from lab.evidence.constants import DNS_PORT
from lab.evidence.packets import ETHERTYPE_IPV4, ETHERTYPE_IPV6, IPV6_BYTES, SLL2, TCP, UDP
from lab.watch.events import PacketSeen

_SECTION = int.from_bytes(frames.SECTION)
_MAGIC = 0x1A2B3C4D
_NANOSECONDS = 9
FILTER = b"\0port 53 or icmp or icmp6"
"""The filter in words of pcap-filter(7), behind the byte for text. The file has the packets of one lookup only."""

_NONE = 0xFFFF
"""ARPHRD_VOID: the link's type is not known."""

_ETHERTYPES = {4: ETHERTYPE_IPV4, 6: ETHERTYPE_IPV6}


def capture_file(packets: Sequence[PacketSeen], ahead_ns: int, end_ns: int, ports: frozenset[int]) -> bytes:
    """Return a capture file.

    Args:
        packets: The packets, in order.
        ahead_ns: By how much the realtime clock is ahead of the monotonic one.
        end_ns: When the capture ended, by the monotonic clock.
        ports: Ports of DNS servers: they become port 53, the one that `lab diagnose` reads.
    """
    end = _halves(end_ns + ahead_ns)
    resolution = _option(frames.OPTION_RESOLUTION, bytes([_NANOSECONDS]))
    interface = struct.pack("<HHI", SLL2, 0, 0) + resolution + _option(frames.OPTION_FILTER, FILTER)
    statistics = struct.pack("<III", 0, *end) + _option(frames.OPTION_END_TIME, struct.pack("<II", *end))
    blocks = [
        _block(_SECTION, struct.pack("<IHHq", _MAGIC, 1, 0, -1)),
        _block(frames.INTERFACE, interface + _option(0, b"")),
        *(_packet(packet, ahead_ns, ports) for packet in packets),
        _block(frames.STATISTICS, statistics + _option(0, b"")),
    ]
    return b"".join(blocks)


def _halves(time_ns: int) -> tuple[int, int]:
    return time_ns >> 32 & 0xFFFFFFFF, time_ns & 0xFFFFFFFF


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _packet(packet: PacketSeen, ahead_ns: int, ports: frozenset[int]) -> bytes:
    data = _with_dns_port(packet.data, ports)
    version = data[0] >> 4
    cooked = struct.pack("!HHIHBB8s", _ETHERTYPES[version], 0, packet.interface, _NONE, packet.kind, 0, bytes(8))
    length = int.from_bytes(data[2:4], "big") if version == 4 else IPV6_BYTES + int.from_bytes(data[4:6], "big")  # noqa: PLR2004
    kept = cooked + data
    header = struct.pack(
        "<IIIII", 0, *_halves(packet.monotonic_ns + ahead_ns), len(kept), len(cooked) + max(length, len(data))
    )
    return _block(frames.ENHANCED, header + _padded(kept))


def _with_dns_port(data: bytes, ports: frozenset[int]) -> bytes:
    """Return a packet of another port as one of port 53."""
    version = data[0] >> 4
    at, protocol = ((data[0] & 0xF) * 4, data[9]) if version == 4 else (IPV6_BYTES, data[6])  # noqa: PLR2004
    if ports == {DNS_PORT} or protocol not in {UDP, TCP} or len(data) < at + 4:
        return data
    changed = bytearray(data)
    for where in (at, at + 2):
        if int.from_bytes(data[where : where + 2], "big") in ports:
            changed[where : where + 2] = DNS_PORT.to_bytes(2, "big")
    return bytes(changed)
