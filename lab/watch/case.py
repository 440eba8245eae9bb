"""The files of one stall, and the conclusion that `lab diagnose` draws from them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from lab.diagnosis.conclusion import Conclusion, conclude
from lab.diagnosis.recognise import recognise
from lab.evidence.unsent import UnsentSocket, unsent_line
from lab.watch.events import PacketSeen
from lab.watch.exchanges import SECOND_NS, Exchange
from lab.watch.namespaces import NamespaceWatch
from lab.watch.pcapng import capture_file

OPENED_NS = 5 * SECOND_NS // 4
"""How long before it was seen first a socket may have been opened: sockets are looked at once a second."""

_PLAIN = re.compile(r"[^A-Za-z0-9.-]+")


def files_of_exchange(
    own: NamespaceWatch,
    exchange: Exchange,
    beside: Sequence[tuple[NamespaceWatch, Exchange]],
    clock: tuple[int, int],
    ports: frozenset[int],
) -> dict[str, bytes]:
    """Return the files of a lookup that waited.

    Args:
        own: The namespace that made it.
        exchange: Its packets.
        beside: The same lookup as other namespaces saw it.
        clock: The present time by the monotonic clock, and by how much the realtime clock is ahead, in nanoseconds.
        ports: Ports of DNS servers.
    """
    now_ns, ahead_ns = clock
    files: dict[str, bytes] = {}
    for where, part in ((own, exchange), *beside):
        packets = sorted((*part.packets, *_others(where, part)), key=lambda packet: packet.monotonic_ns)
        files[f"{file_name(where.label)}.pcapng"] = capture_file(packets, ahead_ns, now_ns, ports)
    for where in (own, *(where for where, _ in beside)):
        if counted := where.counters.around(exchange.first_ns):
            files |= _pair(f"{file_name(where.label)}.conntrack", (".before", ".after"), counted)
    return files | _surroundings(own, exchange.first_ns)


def files_of_socket(own: NamespaceWatch, socket: UnsentSocket, first_ns: int) -> dict[str, bytes]:
    """Return the files of a lookup of which no packet came to the wire.

    Args:
        own: The namespace.
        socket: Its socket.
        first_ns: When it was seen first, by the monotonic clock.
    """
    files = {"sockets": f"{unsent_line(socket)}\n".encode()}
    begun_ns = first_ns - OPENED_NS
    if counted := own.counters.around(begun_ns):
        files |= _pair("conntrack", (".before", ".after"), counted)
    return files | _surroundings(own, begun_ns)


def conclude_files(files: Mapping[str, bytes]) -> Conclusion:
    """Return the conclusion of `lab diagnose` from files."""
    return conclude([material for name, data in files.items() for material in recognise(name, data)])


def file_name(label: str) -> str:
    """Return a namespace's name as part of a file's."""
    return _PLAIN.sub("_", label).strip("_.") or "namespace"


def _surroundings(own: NamespaceWatch, at_ns: int) -> dict[str, bytes]:
    files = {"resolv.conf": own.configuration.encode()} if own.configuration.strip() else {}
    if (queues := own.queues.around(at_ns)) and any(text.strip() for text in queues):
        files |= _pair("nfqueue", (".1", ".2"), queues)
    return files


def _pair(name: str, suffixes: tuple[str, str], texts: tuple[str, str]) -> dict[str, bytes]:
    return {f"{name}{suffix}": f"{text.rstrip()}\n".encode() for suffix, text in zip(suffixes, texts, strict=True)}


def _others(where: NamespaceWatch, part: Exchange) -> Iterable[PacketSeen]:
    """Yield packets without a DNS message that have the lookup's port: refusals, and those of a TCP connection."""
    port = part.port.to_bytes(2, "big")
    for packet in where.others:
        near = part.first_ns - SECOND_NS <= packet.monotonic_ns <= part.last_ns + SECOND_NS
        if near and port in packet.data[20:]:
            yield packet
