"""Parses the lines that provision/watch prints."""

from __future__ import annotations

import ipaddress
import sys
from binascii import unhexlify
from collections.abc import Callable, Mapping
from types import MappingProxyType

from lab.evidence.packets import IPV4_BYTES, IPV6_BYTES
from lab.watch.events import (
    ClockTick,
    ConfigurationRead,
    ConfirmSeen,
    CountersRead,
    LookupMade,
    NamespaceFound,
    NamespaceGone,
    NamespaceMissing,
    PacketSeen,
    PacketsLost,
    QueuesRead,
    SocketWaits,
    TraceBegun,
    TraceLost,
    TraceRefused,
    WatchBegun,
    WatchEvent,
)

VERSION = "1"
"""Version of the lines: the second word of the first one."""

NUMBER_MAX = (1 << 63) - 1
"""Numbers are of 64 bits; a longer one is damaged."""

PORT_MAX, INTERFACE_MAX, KIND_MAX = 0xFFFF, 0x7FFFFFFF, 0xFF
"""Limits of a port, an interface's index and a packet's kind (sll_ifindex and sll_pkttype, packet(7))."""

_HEADER_BYTES = {4: IPV4_BYTES, 6: IPV6_BYTES}
_WORD_BYTES = 4
_ADDRESS_BYTES = frozenset({4, 16})


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


def _confirm(rest: str) -> ConfirmSeen:
    words = _words(rest, 7)
    at_ns, returned = map(_number, words[:2])
    source, destination = unhexlify(words[2]), unhexlify(words[4])
    if len(source) not in _ADDRESS_BYTES or len(source) != len(destination):
        raise ValueError(rest)
    sport, dport, dns_id = (_number(words[at], PORT_MAX) for at in (3, 5, 6))
    return ConfirmSeen(at_ns, returned, source, sport, destination, dport, dns_id)


def _traced(rest: str) -> TraceBegun:
    if rest:
        raise ValueError(rest)
    return TraceBegun()


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
        "traced": _traced,
        "k": _confirm,
        "klost": lambda rest: TraceLost(_number(rest)),
        "untraced": lambda rest: TraceRefused(_text(rest)),
    }
)
