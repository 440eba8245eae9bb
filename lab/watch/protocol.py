"""Parses the lines that provision/watch prints."""

from __future__ import annotations

import ipaddress
import sys
from binascii import unhexlify
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from lab.evidence.packets import IPV4_BYTES, IPV6_BYTES, OUTGOING

VERSION = "1"
"""Version of the lines: the second word of the first one."""

NUMBER_MAX = (1 << 63) - 1
"""Numbers are of 64 bits; a longer one is damaged."""

PORT_MAX, INTERFACE_MAX, KIND_MAX = 0xFFFF, 0x7FFFFFFF, 0xFF
"""Limits of a port, an interface's index and a packet's kind (sll_ifindex and sll_pkttype, packet(7))."""

_HEADER_BYTES = {4: IPV4_BYTES, 6: IPV6_BYTES}
_WORD_BYTES = 4


@dataclass(frozen=True, slots=True)
class WatchBegun:
    """The first line: the inode of the program's own network namespace."""

    inode: int


@dataclass(frozen=True, slots=True)
class ClockTick:
    """Both clocks, read together, in nanoseconds: once a second."""

    monotonic_ns: int
    realtime_ns: int


@dataclass(frozen=True, slots=True)
class NamespaceFound:
    """A network namespace, or more about a known one.

    Attributes:
        number: Its number in the other lines.
        inode: Its inode, as in `readlink /proc/self/ns/net`.
        pid: A process in it; 0 for none.
        comm: The process's name.
        cgroup: The process's /proc/PID/cgroup.
        hostname: HOSTNAME of its environment; empty for none.
        path: The namespace's file, if it has one; empty for none.
    """

    number: int
    inode: int
    pid: int
    comm: str
    cgroup: str
    hostname: str
    path: str


@dataclass(frozen=True, slots=True)
class NamespaceGone:
    """A network namespace has ended."""

    number: int


@dataclass(frozen=True, slots=True)
class NamespaceMissing:
    """A network namespace that cannot be watched, and why."""

    inode: int
    why: str


class PacketSeen(NamedTuple):
    """A packet: its IP header and what follows, without payload other than a DNS header and question."""

    number: int
    monotonic_ns: int
    interface: int
    kind: int
    data: bytes

    @property
    def outgoing(self) -> bool:
        """Whether it was sent from this namespace."""
        return self.kind == OUTGOING


@dataclass(frozen=True, slots=True)
class PacketsLost:
    """Packets for which the program's own socket had no room."""

    number: int
    count: int


@dataclass(frozen=True, slots=True)
class CountersRead:
    """Counters of conntrack, summed over the processors, as `name=value` words."""

    number: int
    monotonic_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class QueuesRead:
    """The text of /proc/net/netfilter/nfnetlink_queue."""

    number: int
    monotonic_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class ConfigurationRead:
    """The text of resolv.conf."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class SocketWaits:
    """A UDP socket that waits for an answer for about a second or more, with its process.

    Attributes:
        number: The namespace.
        monotonic_ns: When it was seen.
        since_ns: When it was seen first, or when its last query was sent.
        port: Its local port.
        inode: Its inode.
        remote: The server's address, if no packet of it was captured; else empty.
        pid: The process; 0 if it was not found.
        comm: The process's name.
        cgroup: The process's /proc/PID/cgroup.
    """

    number: int
    monotonic_ns: int
    since_ns: int
    port: int
    inode: int
    remote: str
    pid: int
    comm: str
    cgroup: str


@dataclass(frozen=True, slots=True)
class LookupMade:
    """A lookup by getent, made by the program: its exit status is -1 for a signal, 127 for no getent."""

    order: int
    begun_ns: int
    took_ns: int
    status: int


WatchEvent = (
    WatchBegun
    | ClockTick
    | NamespaceFound
    | NamespaceGone
    | NamespaceMissing
    | PacketSeen
    | PacketsLost
    | CountersRead
    | QueuesRead
    | ConfigurationRead
    | SocketWaits
    | LookupMade
)


def parse(line: str) -> WatchEvent | None:
    """Return the event of a line; None for a line that is damaged or unknown. Never raises."""
    kind, _, rest = line.rstrip("\n").partition(" ")
    reader = _READERS.get(kind)
    if reader is None:
        return None
    try:
        return reader(rest)
    except (ValueError, IndexError):
        return None


def _number(word: str, limit: int = NUMBER_MAX) -> int:
    if not word.isascii() or not word.isdigit() or (number := int(word)) > limit:
        raise ValueError(word)
    return number


def _text(word: str) -> str:
    return "" if word == "-" else unhexlify(word).decode(errors="replace")


def _address(word: str) -> str:
    """Return an address that /proc/net/udp prints: words of 32 bits in the machine's byte order."""
    data = unhexlify(word)
    if sys.byteorder == "little":
        data = b"".join(data[at : at + _WORD_BYTES][::-1] for at in range(0, len(data), _WORD_BYTES))
    address = ipaddress.ip_address(data)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _words(rest: str, count: int) -> list[str]:
    words = rest.split(" ")
    if len(words) != count:
        raise ValueError(rest)
    return words


def _begun(rest: str) -> WatchBegun:
    version, inode = _words(rest, 2)
    if version != VERSION:
        raise ValueError(version)
    return WatchBegun(_number(inode))


def _tick(rest: str) -> ClockTick:
    return ClockTick(*map(_number, _words(rest, 2)))


def _found(rest: str) -> NamespaceFound:
    words = _words(rest, 7)
    comm, cgroup, hostname, path = map(_text, words[3:])
    number, inode, pid = map(_number, words[:3])
    return NamespaceFound(number, inode, pid, comm.strip(), cgroup, hostname, path)


def _missing(rest: str) -> NamespaceMissing:
    inode, why = _words(rest, 2)
    return NamespaceMissing(_number(inode), _text(why))


def _packet(rest: str) -> PacketSeen:
    number, at, interface, kind, text = _words(rest, 5)
    data = unhexlify(text)
    header = _HEADER_BYTES.get(data[0] >> 4)
    if header is None or len(data) < header:
        raise ValueError(text)
    return PacketSeen(_number(number), _number(at), _number(interface, INTERFACE_MAX), _number(kind, KIND_MAX), data)


def _lost(rest: str) -> PacketsLost:
    return PacketsLost(*map(_number, _words(rest, 2)))


def _counters(rest: str) -> CountersRead:
    number, at, text = rest.split(" ", 2)
    return CountersRead(_number(number), _number(at), text)


def _queues(rest: str) -> QueuesRead:
    number, at, text = _words(rest, 3)
    return QueuesRead(_number(number), _number(at), _text(text))


def _configuration(rest: str) -> ConfigurationRead:
    number, text = _words(rest, 2)
    return ConfigurationRead(_number(number), _text(text))


def _socket(rest: str) -> SocketWaits:
    words = _words(rest, 9)
    number, at_ns, since_ns, port, inode = (*map(_number, words[:3]), _number(words[3], PORT_MAX), _number(words[4]))
    remote = "" if words[5] == "-" else _address(words[5])
    comm, cgroup = map(_text, words[7:])
    return SocketWaits(number, at_ns, since_ns, port, inode, remote, _number(words[6]), comm.strip(), cgroup)


def _lookup(rest: str) -> LookupMade:
    *words, status = _words(rest, 4)
    order, begun_ns, took_ns = map(_number, words)
    return LookupMade(order, begun_ns, took_ns, int(status))


_READERS: Mapping[str, Callable[[str], WatchEvent]] = MappingProxyType(
    {
        "watch": _begun,
        "t": _tick,
        "net": _found,
        "gone": lambda rest: NamespaceGone(_number(rest)),
        "missing": _missing,
        "p": _packet,
        "lost": _lost,
        "c": _counters,
        "q": _queues,
        "conf": _configuration,
        "o": _socket,
        "s": _socket,
        "l": _lookup,
    }
)
