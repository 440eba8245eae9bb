"""Parser of capture files: pcap of either byte order, in microseconds or nanoseconds, and pcapng."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lab.evidence.errors import UnreadableError

_RECORD_MAX = 1 << 18
"""MAXIMUM_SNAPLEN of libpcap: a longer record is damaged."""

_PCAP = {
    b"\xa1\xb2\xc3\xd4": (">", 10**6),
    b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\x3c\x4d": (">", 10**9),
    b"\x4d\x3c\xb2\xa1": ("<", 10**9),
}
"""Byte order and timestamp units per second of a pcap, by its magic number (pcap-savefile(5))."""

_HEADER_BYTES, _RECORD_BYTES = 24, 16

# Blocks of pcapng (draft-ietf-opsawg-pcapng, 4).
SECTION = b"\x0a\x0d\x0d\x0a"
"""A section header's type, the same in either byte order."""

INTERFACE, SIMPLE, STATISTICS, ENHANCED = 1, 3, 5, 6
"""Types of the other blocks."""

_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_BLOCK_LEAST, _BLOCK_MAX = 12, 1 << 24
OPTION_NAME, OPTION_RESOLUTION, OPTION_FILTER = 2, 9, 11
"""Options of an interface description."""

OPTION_END_TIME = 3
"""Option of interface statistics."""

_Order = Literal["<", ">"]


@dataclass(frozen=True)
class Frame:
    """One captured frame.

    Attributes:
        number: Frame number in the file, from 1, as in tcpdump and Wireshark.
        time_s: Timestamp, CLOCK_REALTIME in seconds; 0 for pcapng's simple blocks, which have none.
        link: The link type (tcpdump.org/linktypes.html).
        data: The captured bytes.
        length: Length on the wire, in bytes.
        interface: Name of the capture interface, where the file has names; else None.
    """

    number: int
    time_s: float
    link: int
    data: bytes
    length: int
    interface: str | None = None

    @property
    def snapped(self) -> bool:
        """Whether the frame was truncated by the snapshot length (`tcpdump -s`)."""
        return len(self.data) < self.length


def is_capture(data: bytes) -> bool:
    """Return whether a file begins with a capture's magic number."""
    return data[:4] in _PCAP or is_pcapng(data)


def is_pcapng(data: bytes) -> bool:
    """Return whether a file is a pcapng."""
    return data[:4] == SECTION


def read(data: bytes) -> Iterator[Frame]:
    """Yield the frames of a file in order. A truncated last frame is left out.

    Raises:
        UnreadableError: the file is empty, not a capture, or damaged.
    """
    if not data:
        raise UnreadableError("the capture is empty: tcpdump did not even write the file header")
    if is_pcapng(data):
        yield from _of_blocks(data)
    elif data[:4] in _PCAP:
        yield from _of_records(data)
    else:
        raise UnreadableError(f"this is not a capture: it begins with {data[:4].hex()}")


def read_link_type(data: bytes) -> int | None:
    """Return the link type of all frames of a pcap; None for pcapng, where each interface has its own.

    Raises:
        UnreadableError: the header is truncated.
    """
    if data[:4] not in _PCAP:
        return None
    if len(data) < _HEADER_BYTES:
        raise UnreadableError(f"the capture's header is truncated after {len(data)} bytes")
    # The upper bits describe a frame check sequence (pcap-savefile(5)).
    return int(struct.unpack_from(_PCAP[data[:4]][0] + "I", data, 20)[0]) & 0xFFFF


def read_end_s(data: bytes) -> float | None:
    """Return when a capture ended, which may be long after its last frame; None for a file that does not record it.

    dumpcap writes it for each interface; a pcap has no such record.

    Raises:
        UnreadableError: the file is damaged.
    """
    interfaces: list[_Interface] = []
    end_s = None
    for order, kind, body in _blocks(data) if is_pcapng(data) else ():
        if kind is None:
            interfaces = []
        elif kind == INTERFACE:
            interfaces.append(_interface(order, body))
        elif kind == STATISTICS and len(body) >= 12:  # noqa: PLR2004  interface, time
            which = struct.unpack_from(order + "I", body)[0]
            value = next((value for code, value in _options(order, body, 12) if code == OPTION_END_TIME), b"")
            if which < len(interfaces) and len(value) == 8:  # noqa: PLR2004  two halves of a time
                high, low = struct.unpack(order + "II", value)
                end_s = max(end_s or 0.0, (high << 32 | low) / interfaces[which].ticks)
    return end_s


def read_filters(data: bytes) -> tuple[str, ...]:
    """Return the capture filters that a pcapng records, one for each interface that has one.

    Raises:
        UnreadableError: the file is damaged.
    """
    bodies = [(order, body) for order, kind, body in _blocks(data) if kind == INTERFACE] if is_pcapng(data) else []
    values = [value for order, body in bodies for code, value in _options(order, body, 8) if code == OPTION_FILTER]
    # The first byte is 0 for text, 1 for a program.
    return tuple(value[1:].decode("utf-8", errors="replace") for value in values if value[:1] == b"\0")


def _of_records(data: bytes) -> Iterator[Frame]:
    order, ticks = _PCAP[data[:4]]
    link = read_link_type(data)
    at, number = _HEADER_BYTES, 0
    while link is not None and at + _RECORD_BYTES <= len(data):
        seconds, part, captured, length = struct.unpack_from(order + "IIII", data, at)
        at += _RECORD_BYTES
        if part >= ticks or captured > _RECORD_MAX:
            raise UnreadableError(f"the capture has an invalid record at byte {at}")
        if at + captured > len(data):
            return
        number += 1
        yield Frame(number, seconds + part / ticks, link, data[at : at + captured], length)
        at += captured


@dataclass(frozen=True)
class _Interface:
    """A pcapng interface description: link type, snapshot length, timestamp units per second, name."""

    link: int
    snaplen: int
    ticks: int
    name: str | None


def _of_blocks(data: bytes) -> Iterator[Frame]:
    interfaces: list[_Interface] = []
    number = 0
    for order, kind, body in _blocks(data):
        if kind is None:
            interfaces = []
        elif kind == INTERFACE:
            interfaces.append(_interface(order, body))
        elif kind in {SIMPLE, ENHANCED}:
            number += 1
            yield _frame(order, kind, body, interfaces, number)


def _blocks(data: bytes) -> Iterator[tuple[str, int | None, bytes]]:
    """Yield each block's byte order, type and body; the type is None at a section header."""
    at, order = 0, "<"
    while at + _BLOCK_LEAST <= len(data):
        begins = data[at : at + 4] == SECTION
        if begins:
            if data[at + 8 : at + 12] not in _ORDERS:
                raise UnreadableError(f"the capture's section at byte {at} has no byte order")
            order = _ORDERS[data[at + 8 : at + 12]]
        kind, length = struct.unpack_from(order + "II", data, at)
        if length % 4 or not _BLOCK_LEAST <= length <= _BLOCK_MAX:
            raise UnreadableError(f"the capture has an invalid block at byte {at}")
        if at + length > len(data):
            return
        yield order, None if begins else kind, data[at + 8 : at + length - 4]
        at += length


def _interface(order: str, body: bytes) -> _Interface:
    if len(body) < 8:  # noqa: PLR2004  link type, reserved, snaplen
        raise UnreadableError("the capture's interface description is truncated")
    link, _, snaplen = struct.unpack_from(order + "HHI", body)
    ticks, name = 10**6, None
    for code, value in _options(order, body, 8):
        if code == OPTION_RESOLUTION and len(value) == 1:
            ticks = 1 << (value[0] & 0x7F) if value[0] & 0x80 else 10 ** min(value[0], 18)
        elif code == OPTION_NAME:
            name = value.decode("utf-8", errors="replace").rstrip("\0") or None
    return _Interface(link, snaplen or _RECORD_MAX, ticks, name)


def _options(order: str, body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield code and value of each option of a block; a truncated value is shorter than its length."""
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        yield code, body[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4


def _frame(order: str, kind: int, body: bytes, interfaces: list[_Interface], number: int) -> Frame:
    """Parse a packet block: an enhanced block has interface, time and length, a simple one only the length."""
    head = 20 if kind == ENHANCED else 4
    if len(body) < head:
        raise UnreadableError(f"the capture's frame {number} is truncated")
    which, ticks_high, ticks_low, captured, length = (0, 0, 0, 0, 0)
    if kind == ENHANCED:
        which, ticks_high, ticks_low, captured, length = struct.unpack_from(order + "IIIII", body)
    if which >= len(interfaces):
        raise UnreadableError(f"the capture's frame {number} refers to an undefined interface")
    if kind == SIMPLE:
        (length,) = struct.unpack_from(order + "I", body)
        captured = min(length, interfaces[which].snaplen)
    if head + captured > len(body):
        raise UnreadableError(f"the capture's frame {number} is longer than its block")
    time_s = (ticks_high << 32 | ticks_low) / interfaces[which].ticks
    where = interfaces[which]
    return Frame(number, time_s, where.link, body[head : head + captured], length, where.name)
