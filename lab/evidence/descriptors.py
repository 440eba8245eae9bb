"""Which socket a descriptor stands for, in each process, as system calls tell it."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

from lab.evidence import flow, strace_values
from lab.evidence.fields import PORT_MAX, whole
from lab.evidence.strace import Call
from lab.evidence.strace_values import Group, Text, Value
from lab.evidence.stream import Stream

_FORKS = {"clone", "clone3", "fork", "vfork"}


@dataclass(eq=False)
class Socket:
    """One socket, as far as its calls have told.

    Attributes:
        protocol: `udp` or `tcp`.
        peer: The address and port that it is connected to.
        last_sent_to: Where it last sent something, which matters when it is not connected.
        local_port: Its own port.
        streams: What came in pieces, each way (TCP).
        number: What tells it from all other sockets, whatever descriptors they had.
    """

    protocol: Literal["udp", "tcp"]
    peer: tuple[str, int] | None = None
    last_sent_to: tuple[str, int] | None = None
    local_port: int | None = None
    streams: defaultdict[str, Stream] = field(default_factory=lambda: defaultdict(Stream))
    number: int = field(default_factory=itertools.count(1).__next__)


class Descriptors:
    """The tables of descriptors of all threads.

    Threads share one table with their process (CLONE_FILES), a forked process has a copy. Where strace was not told to
    show how a thread began (`-e trace=process`), it is taken for one of the first process: a resolver's threads are.
    """

    def __init__(self) -> None:
        self._first: dict[int, Socket] = {}
        self._tables: dict[int | None, dict[int, Socket]] = {}

    def get(self, pid: int | None, fd: int | None) -> Socket | None:
        """Give the socket that a thread means by a descriptor; None when it is no internet socket."""
        return None if fd is None else self._table(pid).get(fd)

    def follow(self, call: Call) -> None:
        """Take note of what a call did to descriptors and sockets; calls that failed did nothing."""
        result, table = call.result, self._table(call.pid)
        fd = strace_values.number(call.arguments[0])
        if call.name in _FORKS and result is not None and result > 0:
            self._tables[result] = table if _shares_files(call.arguments) else dict(table)
        elif call.name == "close" and fd is not None:
            table.pop(fd, None)  # whatever it returns, the descriptor is gone: see close(2)
        elif call.name == "socket" and result is not None and result >= 0:
            _put(table, result, _new(call))
        elif call.name in {"dup", "dup2", "dup3"} and fd is not None and result is not None and result >= 0:
            _put(table, result, table.get(fd))
        elif fd in table:
            _learn(table[fd], call)

    def _table(self, pid: int | None) -> dict[int, Socket]:
        return self._tables.setdefault(pid, self._first)


def address_in(value: Value | None) -> tuple[str, int] | None:
    """Give the address and port of a `sockaddr`, IPv4 or IPv6; None when it is something else."""
    if not isinstance(value, Group):
        return None
    port = value.get("sin_port") or value.get("sin6_port")
    # IPv4: sin_addr=inet_addr("1.2.3.4"); IPv6: inet_pton(AF_INET6, "::1", &sin6_addr).
    calls = [group for group in value.groups() if group.name in {"inet_addr", "inet_pton"}]
    texts = [text for group in calls for _, text in group.items if isinstance(text, Text)]
    if not isinstance(port, Group) or not texts:
        return None
    try:
        return flow.address(texts[0].data.decode("ascii")), whole(port[0], PORT_MAX)
    except ValueError:
        return None


def _shares_files(arguments: Group) -> bool:
    """Tell whether CLONE_FILES is among a call's flags; clone3 has them in a struct."""
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
