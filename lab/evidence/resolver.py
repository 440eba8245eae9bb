"""What the resolver did on its sockets, read off its system calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from lab.evidence import message
from lab.evidence.message import Message
from lab.evidence.strace import Call

DNS_PORT = 53

_SERVER = re.compile(r'sin_port=htons\((\d{1,5})\), sin_addr=inet_addr\("([0-9.]{7,15})"\)', re.ASCII)
_FIRST = re.compile(r"^(\d{1,9})\b", re.ASCII)
_POLLED = re.compile(r"\{fd=(\d{1,9}), events=([A-Z|]{1,80})", re.ASCII)
_TIMEOUT_MS = re.compile(r", (\d{1,9})$", re.ASCII)
_TIMEOUT_SPEC = re.compile(r"tv_sec=(\d{1,9}), tv_nsec=(\d{1,9})", re.ASCII)
_LENGTH_BYTES = 2


class Did(StrEnum):
    """What the resolver did."""

    SENT = "sent"
    READ = "read"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class ResolverEvent:
    """Something the resolver did.

    Attributes:
        time_s: When, by CLOCK_REALTIME, in seconds: sending by its beginning, the rest by its end if that is known.
        did: What.
        server: The address asked; "" where the calls do not say.
        protocol: By which protocol.
        message: What was sent or read; None for a time-out, or when it is too short to be read.
        timeout_s: How long it had been willing to wait, in seconds; None but for a time-out.
    """

    time_s: float
    did: Did
    server: str
    protocol: Literal["udp", "tcp"]
    message: Message | None
    timeout_s: float | None = None


@dataclass
class _Socket:
    protocol: Literal["udp", "tcp"] = "udp"
    server: str | None = None
    port: int | None = None
    # Over TCP a message may come in pieces, with its length before it (RFC 1035, 4.2.2).
    pending: dict[Did, bytes] = field(default_factory=dict)


def events(calls: Iterable[Call]) -> tuple[ResolverEvent, ...]:
    """Give what the resolver did, in order.

    All threads count as one process: a client that forks does not look names up on both sides.
    """
    sockets: dict[int, _Socket] = {}
    found = [event for call in calls for event in _events(call, sockets)]
    return tuple(sorted(found, key=lambda event: event.time_s))


def _events(call: Call, sockets: dict[int, _Socket]) -> Iterator[ResolverEvent]:
    handler = _HANDLERS.get(call.name)
    first = _FIRST.match(call.arguments)
    if handler is None or (first is None and call.name not in {"poll", "ppoll", "socket"}):
        return
    yield from handler(call, int(first[1]) if first else -1, sockets)


def _socket(call: Call, _fd: int, sockets: dict[int, _Socket]) -> Iterator[ResolverEvent]:
    if call.result is not None:
        # Whatever had this number before was closed, whether that was traced or not.
        sockets.pop(call.result, None)
        if call.arguments.startswith("AF_INET,"):
            sockets[call.result] = _Socket("tcp" if "SOCK_STREAM" in call.arguments else "udp")
    yield from ()


def _connect(call: Call, fd: int, sockets: dict[int, _Socket]) -> Iterator[ResolverEvent]:
    if (found := _SERVER.search(call.arguments)) and fd in sockets:
        sockets[fd].port, sockets[fd].server = int(found[1]), found[2]
    yield from ()


def _close(_call: Call, fd: int, sockets: dict[int, _Socket]) -> Iterator[ResolverEvent]:
    sockets.pop(fd, None)
    yield from ()


def _dup(call: Call, fd: int, sockets: dict[int, _Socket]) -> Iterator[ResolverEvent]:
    if call.result is not None and fd in sockets:
        sockets[call.result] = sockets[fd]
    yield from ()


def _transfer(did: Did, *, many: bool) -> Callable[[Call, int, dict[int, _Socket]], Iterator[ResolverEvent]]:
    """Give the handler of a call that sends or reads; `many` messages at once, or one in one or several buffers."""

    def handle(call: Call, fd: int, sockets: dict[int, _Socket]) -> Iterator[ResolverEvent]:
        socket = sockets.get(fd)
        if socket is None or call.result is None or call.result <= 0:
            return
        # A socket that is not connected has the address in each call.
        named = _SERVER.search(call.arguments)
        server, port = (named[2], int(named[1])) if named else (socket.server, socket.port)
        if port != DNS_PORT:
            return
        time_s = call.time_s if did is Did.SENT else call.end_s or call.time_s
        # Of several messages, the call says how many went.
        payloads = call.buffers[: call.result] if many else (b"".join(call.buffers),)
        if socket.protocol == "tcp":
            payloads = tuple(_framed(socket, did, b"".join(payloads)))
        for payload in payloads:
            yield ResolverEvent(time_s, did, server or "", socket.protocol, message.parse(payload))

    return handle


def _framed(socket: _Socket, did: Did, piece: bytes) -> Iterator[bytes]:
    stream = socket.pending.get(did, b"") + piece
    while len(stream) >= _LENGTH_BYTES:
        end = _LENGTH_BYTES + int.from_bytes(stream[:_LENGTH_BYTES], "big")
        if len(stream) < end:
            break
        yield stream[_LENGTH_BYTES:end]
        stream = stream[end:]
    socket.pending[did] = stream


def _poll(call: Call, _fd: int, sockets: dict[int, _Socket]) -> Iterator[ResolverEvent]:
    if call.result != 0:
        return
    timeout_s = _timeout_s(call)
    for fd, awaited in _POLLED.findall(call.arguments):
        socket = sockets.get(int(fd))
        if socket and socket.port in {DNS_PORT, None} and "POLLIN" in awaited.split("|") and timeout_s:
            time_s = call.end_s or call.time_s + timeout_s
            yield ResolverEvent(time_s, Did.TIMED_OUT, socket.server or "", socket.protocol, None, timeout_s)


def _timeout_s(call: Call) -> float:
    if found := _TIMEOUT_MS.search(call.arguments):
        return int(found[1]) / 1000
    if found := _TIMEOUT_SPEC.search(call.arguments):
        return int(found[1]) + int(found[2]) / 1e9
    return 0.0


_HANDLERS: dict[str, Callable[[Call, int, dict[int, _Socket]], Iterator[ResolverEvent]]] = {
    "socket": _socket,
    "connect": _connect,
    "close": _close,
    "dup": _dup,
    "dup2": _dup,
    "dup3": _dup,
    "poll": _poll,
    "ppoll": _poll,
    "sendmmsg": _transfer(Did.SENT, many=True),
    "recvmmsg": _transfer(Did.READ, many=True),
    **dict.fromkeys(("sendto", "send", "sendmsg", "write", "writev"), _transfer(Did.SENT, many=False)),
    **dict.fromkeys(("recvfrom", "recv", "recvmsg", "read", "readv"), _transfer(Did.READ, many=False)),
}
