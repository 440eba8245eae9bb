"""Maps file descriptors to sockets, per process, by following system calls."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from lab.evidence import flow, strace_values
from lab.evidence.constants import DNS_PORT, FORKS
from lab.evidence.fields import PORT_MAX, parse_integer
from lab.evidence.strace import Call
from lab.evidence.strace_values import Group, Text, Value
from lab.evidence.stream import Stream

_SHOWING = frozenset(
    {
        "connect",
        "sendto",
        "sendmsg",
        "sendmmsg",
        "recvfrom",
        "recvmsg",
        "recvmmsg",
        "write",
        "read",
        "send",
        "recv",
        "writev",
    }
)
"""Calls whose arguments, or whose descriptor with -yy, identify a socket to a DNS server."""

_ADDRESS_DEPTH = 4
# strace -yy: 3<UDP:[10.0.0.1:40000->10.0.0.53:53]>, 3<UDPv6:[[::1]:40000->[::1]:53]>
_DECORATION = re.compile(
    r"(?P<protocol>UDP|TCP|UDPv6|TCPv6):\[(?P<local>[\[\]0-9a-fA-F.:]{3,64})->(?P<peer>[\[\]0-9a-fA-F.:]{3,64})\]"
)


@dataclass(eq=False)
class Socket:
    """One socket, as known from its calls so far.

    Attributes:
        protocol: `udp` or `tcp`.
        peer: The connected peer's address and port.
        last_sent_to: Destination of the last send, for an unconnected socket.
        local_port: The local port.
        streams: The byte streams of both directions (TCP).
        number: A unique number, independent of the descriptor.
        assumed: Whether its creation is not in the trace; then its close may be missing, too.
    """

    protocol: Literal["udp", "tcp"]
    peer: tuple[str, int] | None = None
    last_sent_to: tuple[str, int] | None = None
    local_port: int | None = None
    streams: defaultdict[str, Stream] = field(default_factory=lambda: defaultdict(Stream))
    number: int = field(default_factory=itertools.count(1).__next__)
    assumed: bool = False


class Descriptors:
    """The descriptor tables of all threads.

    Threads share one table with their process (CLONE_FILES), a forked process has a copy. Where the trace lacks the
    thread's creation (`-e trace=process`), the thread is assumed to belong to the first process.
    """

    def __init__(self) -> None:
        self._first: dict[int, Socket] = {}
        self._tables: dict[int | None, dict[int, Socket]] = {}

    def get(self, pid: int | None, fd: int | None) -> Socket | None:
        """Return the socket of a thread's descriptor; None when it is not an internet socket."""
        return None if fd is None else self._table(pid).get(fd)

    def detect(self, call: Call) -> None:
        """Register a socket whose creation is not in the trace: it began later, or leaves socket(2) out.

        A descriptor that is connected to a DNS server again is assumed to be a new socket.
        """
        fd = strace_values.parse_number(call.arguments[0])
        if fd is None or call.name not in _SHOWING:
            return
        table = self._table(call.pid)
        known = table.get(fd)
        if known is not None and known.assumed and call.name == "writev":
            known.protocol = "tcp"
        if known is None or (known.assumed and call.name == "connect"):
            shown = _shown(call)
            if shown is not None:
                table[fd] = shown

    def follow(self, call: Call) -> None:
        """Update descriptors and sockets after a call; failed calls change nothing."""
        result, table = call.result, self._table(call.pid)
        fd = strace_values.parse_number(call.arguments[0])
        if call.name in FORKS and result is not None and result > 0:
            self._tables[result] = table if _shares_files(call.arguments) else dict(table)
        elif call.name == "close" and fd is not None:
            table.pop(fd, None)  # the descriptor is closed even on errors: see close(2)
        elif call.name == "socket" and result is not None and result >= 0:
            _put(table, result, _new(call))
        elif call.name in {"dup", "dup2", "dup3"} and fd is not None and result is not None and result >= 0:
            _put(table, result, table.get(fd))
        elif fd in table:
            _learn(table[fd], call)

    def _table(self, pid: int | None) -> dict[int, Socket]:
        return self._tables.setdefault(pid, self._first)


def address_in(value: Value | None) -> tuple[str, int] | None:
    """Return the address and port of a `sockaddr`, IPv4 or IPv6; None for any other value."""
    if not isinstance(value, Group):
        return None
    port = value.get("sin_port") or value.get("sin6_port")
    # IPv4: sin_addr=inet_addr("1.2.3.4"); IPv6: inet_pton(AF_INET6, "::1", &sin6_addr).
    calls = [group for group in value.groups() if group.name in {"inet_addr", "inet_pton"}]
    texts = [text for group in calls for _, text in group.items if isinstance(text, Text)]
    if not isinstance(port, Group) or not texts:
        return None
    try:
        return flow.normalize_address(texts[0].data.decode("ascii")), parse_integer(port[0], PORT_MAX)
    except ValueError:
        return None


def _shown(call: Call) -> Socket | None:
    """Return the socket that a call identifies by a DNS server's address, or by strace -yy's annotation."""
    decorated = _DECORATION.match(call.described) if call.described else None
    if decorated is not None and decorated["peer"] is not None:
        protocol: Literal["udp", "tcp"] = "udp" if decorated["protocol"].startswith("UDP") else "tcp"
        peer = _endpoint(decorated["peer"])
        local = _endpoint(decorated["local"])
        return Socket(protocol, peer=peer, local_port=local[1] if local else None, assumed=True) if peer else None
    address = next((pair for pair in _addresses(call.arguments, 0) if pair[1] == DNS_PORT), None)
    if address is None or (call.result == -1 and not call.more.startswith(("EINPROGRESS", "EPERM", "ECONNREFUSED"))):
        return None
    return Socket("tcp" if call.more.startswith("EINPROGRESS") else "udp", assumed=True)


def _addresses(group: Group, depth: int) -> Iterator[tuple[str, int]]:
    """Yield every address among a call's arguments; sendmmsg nests them three levels deep."""
    address = address_in(group)
    if address is not None:
        yield address
    elif depth < _ADDRESS_DEPTH:
        for each in group.groups():
            yield from _addresses(each, depth + 1)


def _endpoint(text: str) -> tuple[str, int] | None:
    """Parse `10.0.0.1:53` or `[::1]:53` into address and port."""
    host, _, port = text.rpartition(":")
    try:
        return flow.normalize_address(host.strip("[]")), parse_integer(port, PORT_MAX)
    except ValueError:
        return None


def _shares_files(arguments: Group) -> bool:
    """Return whether CLONE_FILES is among a call's flags; clone3 has them in a struct."""
    values = [value for _, value in arguments.items]
    values += [value for group in arguments.groups() for _, value in group.items]
    return any(isinstance(value, str) and "CLONE_FILES" in value.split("|") for value in values)


def _put(table: dict[int, Socket], fd: int, socket: Socket | None) -> None:
    if socket is None:
        table.pop(fd, None)
    else:
        table[fd] = socket


def _new(call: Call) -> Socket | None:
    family, kind = call.arguments[0], call.arguments[1]
    if family not in {"AF_INET", "AF_INET6", "PF_INET", "PF_INET6"} or not isinstance(kind, str):
        return None
    flags = kind.split("|")
    if "SOCK_DGRAM" in flags:
        return Socket("udp")
    return Socket("tcp") if "SOCK_STREAM" in flags else None


def _learn(socket: Socket, call: Call) -> None:
    address = address_in(call.arguments[1])
    if call.name == "connect" and (call.result == 0 or call.more.startswith("EINPROGRESS")):
        socket.peer = address  # None for AF_UNSPEC, which undoes a connection
    elif call.name in {"bind", "getsockname"} and call.result == 0 and address is not None and address[1] != 0:
        socket.local_port = address[1]
