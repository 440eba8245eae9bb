"""Files of captured frames: pcap of either byte order, in microseconds or nanoseconds, and pcapng."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lab.evidence.errors import UnreadableError

_RECORD_MAX = 1 << 18
"""MAXIMUM_SNAPLEN of libpcap: a record that says it is longer is damaged."""

_PCAP = {
    b"\xa1\xb2\xc3\xd4": (">", 10**6),
    b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\x3c\x4d": (">", 10**9),
    b"\x4d\x3c\xb2\xa1": ("<", 10**9),
}
"""A pcap's byte order, and how many units of time are a second, by its first four bytes (pcap-savefile(5))."""

_HEADER_BYTES, _RECORD_BYTES = 24, 16

# Blocks of pcapng (draft-ietf-opsawg-pcapng, 4); a section's begins with the same bytes in either byte order.
_SECTION = b"\x0a\x0d\x0d\x0a"
_INTERFACE, _SIMPLE, _ENHANCED = 1, 3, 6
_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_BLOCK_LEAST, _BLOCK_MAX = 12, 1 << 24
_OPTION_RESOLUTION = 9

_Order = Literal["<", ">"]


@dataclass(frozen=True)
class Frame:
    """One captured frame.

    Attributes:
        number: Its number in the file, from 1, as tcpdump and Wireshark count.
        time_s: When, by CLOCK_REALTIME in seconds; 0 where pcapng's simple blocks say nothing.
        link: The link type (tcpdump.org/linktypes.html).
        data: What was captured of it.
        length: How long it was on the wire, in bytes.
    """

    number: int
    time_s: float
    link: int
    data: bytes
    length: int

    @property
    def snapped(self) -> bool:
        """Whether less was captured than there was (`tcpdump -s`)."""
        return len(self.data) < self.length


def is_capture(data: bytes) -> bool:
    """Say whether a file begins as a capture does."""
    return data[:4] in _PCAP or data[:4] == _SECTION


def read(data: bytes) -> Iterator[Frame]:
    """Give each frame of a file, in the file's order. A last one that was cut off is not there.

    Raises:
        UnreadableError: it is empty, no capture, or damaged.
    """
    if not data:
        raise UnreadableError("tcpdump left nothing, not even a file's header")
    if data[:4] == _SECTION:
        yield from _of_blocks(data)
    elif data[:4] in _PCAP:
        yield from _of_records(data)
    else:
        raise UnreadableError(f"this is no capture: it begins with {data[:4].hex()}")


def link_of(data: bytes) -> int | None:
    """Give the link type of all frames of a pcap; None for pcapng, where each interface has its own.

    Raises:
        UnreadableError: the header is cut off.
    """
    if data[:4] not in _PCAP:
        return None
    if len(data) < _HEADER_BYTES:
        raise UnreadableError(f"the capture's header is cut off after {len(data)} bytes")
    # The upper bits tell of a frame check sequence (pcap-savefile(5)).
    return int(struct.unpack_from(_PCAP[data[:4]][0] + "I", data, 20)[0]) & 0xFFFF


def _of_records(data: bytes) -> Iterator[Frame]:
    order, ticks = _PCAP[data[:4]]
    link = link_of(data)
    at, number = _HEADER_BYTES, 0
    while link is not None and at + _RECORD_BYTES <= len(data):
        seconds, part, captured, length = struct.unpack_from(order + "IIII", data, at)
        at += _RECORD_BYTES
        if part >= ticks or captured > _RECORD_MAX:
            raise UnreadableError(f"the capture has no record where one should be, {at} bytes in")
        if at + captured > len(data):
            return
        number += 1
        yield Frame(number, seconds + part / ticks, link, data[at : at + captured], length)
        at += captured


@dataclass(frozen=True)
class _Interface:
    """An interface as a pcapng describes it: its link type, how much of a frame is kept, units of time a second."""

    link: int
    snaplen: int
    ticks: int


def _of_blocks(data: bytes) -> Iterator[Frame]:
    interfaces: list[_Interface] = []
    number = 0
    for order, kind, body in _blocks(data):
        if kind is None:
            interfaces = []
        elif kind == _INTERFACE:
            interfaces.append(_interface(order, body))
        elif kind in {_SIMPLE, _ENHANCED}:
            number += 1
            yield _frame(order, kind, body, interfaces, number)


def _blocks(data: bytes) -> Iterator[tuple[str, int | None, bytes]]:
    """Give each block's byte order, type and body; the type is None where a section begins."""
    at, order = 0, "<"
    while at + _BLOCK_LEAST <= len(data):
        begins = data[at : at + 4] == _SECTION
        if begins:
            if data[at + 8 : at + 12] not in _ORDERS:
                raise UnreadableError(f"the capture's section, {at} bytes in, has no byte order")
            order = _ORDERS[data[at + 8 : at + 12]]
        kind, length = struct.unpack_from(order + "II", data, at)
        if length % 4 or not _BLOCK_LEAST <= length <= _BLOCK_MAX:
            raise UnreadableError(f"the capture has no block where one should be, {at} bytes in")
        if at + length > len(data):
            return
        yield order, None if begins else kind, data[at + 8 : at + length - 4]
        at += length


def _interface(order: str, body: bytes) -> _Interface:
    if len(body) < 8:  # noqa: PLR2004  link type, reserved, snaplen
        raise UnreadableError("the capture's description of an interface is cut off")
    link, _, snaplen = struct.unpack_from(order + "HHI", body)
    ticks, at = 10**6, 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        if code == _OPTION_RESOLUTION and length == 1 and at + 4 < len(body):
            said = body[at + 4]
            ticks = 1 << (said & 0x7F) if said & 0x80 else 10 ** min(said, 18)
        at += 4 + (length + 3) // 4 * 4
    return _Interface(link, snaplen or _RECORD_MAX, ticks)


def _frame(order: str, kind: int, body: bytes, interfaces: list[_Interface], number: int) -> Frame:
    """Read a block that holds a frame: an enhanced one has interface, time and length, a simple one the length."""
    head = 20 if kind == _ENHANCED else 4
    if len(body) < head:
        raise UnreadableError(f"the capture's frame {number} is cut off")
    which, ticks_high, ticks_low, captured, length = (0, 0, 0, 0, 0)
    if kind == _ENHANCED:
        which, ticks_high, ticks_low, captured, length = struct.unpack_from(order + "IIIII", body)
    if which >= len(interfaces):
        raise UnreadableError(f"the capture's frame {number} is of an interface that is not described")
    if kind == _SIMPLE:
        (length,) = struct.unpack_from(order + "I", body)
        captured = min(length, interfaces[which].snaplen)
    if head + captured > len(body):
        raise UnreadableError(f"the capture's frame {number} is longer than its block")
    time_s = (ticks_high << 32 | ticks_low) / interfaces[which].ticks
    return Frame(number, time_s, interfaces[which].link, body[head : head + captured], length)
