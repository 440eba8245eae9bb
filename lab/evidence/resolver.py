"""What the resolver did: its queries, its answers, its waits in vain, from its system calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from lab.evidence import message, strace_values
from lab.evidence.descriptors import Descriptors, Socket, address_in
from lab.evidence.message import Message
from lab.evidence.strace import Call
from lab.evidence.strace_values import Group, Text, Value
from lab.evidence.stream import Shown

DNS_PORT = 53
"""RFC 1035, 4.2."""

Kind = Literal["sent", "read", "timed_out"]


@dataclass(frozen=True)
class ResolverEvent:
    """One thing that the resolver did on a socket to a DNS server.

    Attributes:
        kind: `sent` a message, `read` one, or `timed_out`: it waited for the socket, and nothing came.
        time_s: When, by CLOCK_REALTIME in seconds: `sent` when the call was entered, else when it returned, if strace
            said so.
        pid: The thread's id; None when strace followed only one.
        fd: The socket's descriptor.
        server: The server's address; None while nothing had been sent to any from an unconnected socket.
        server_port: Its port, likewise.
        local_port: The socket's own port; None unless bind or getsockname told it.
        protocol: `udp` or `tcp`.
        message: What was sent or read; None for `timed_out`, and for what is too short to be a message.
        timeout_s: How long it was told to wait, in seconds, for `timed_out`; 0 when it only had a look; else None.
        refused: Whether the kernel dropped what was `sent` before the call returned, and told the sender so.
        lines: The lines of strace's output that say so, from 1.
    """

    kind: Kind
    time_s: float
    pid: int | None
    fd: int
    server: str | None
    server_port: int | None
    local_port: int | None
    protocol: Literal["udp", "tcp"]
    message: Message | None
    timeout_s: float | None
    refused: bool = False
    lines: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class _Found:
    """An event before its socket is known in full: what port that has may be told after the first query."""

    kind: Kind
    time_s: float
    pid: int | None
    fd: int
    socket: Socket
    server: tuple[str, int] | None
    message: Message | None = None
    timeout_s: float | None = None
    refused: bool = False
    lines: tuple[int, ...] = ()

    def event(self) -> ResolverEvent:
        server, server_port = self.server or (None, None)
        port, protocol = self.socket.local_port, self.socket.protocol
        of = (self.pid, self.fd, server, server_port, port, protocol)
        return ResolverEvent(self.kind, self.time_s, *of, self.message, self.timeout_s, self.refused, self.lines)


def events(calls: Iterable[Call]) -> tuple[ResolverEvent, ...]:
    """Give what was done on sockets to port 53 of any address, in order of time.

    Calls that failed did nothing, but for a datagram that netfilter dropped: it came that far. A look ahead (MSG_PEEK)
    is no read, and epoll's waits are not understood. A message over TCP is there when its last byte is, whatever pieces
    it came in (RFC 1035, 4.2.2: its length stands before it).
    """
    descriptors = Descriptors()
    found: list[_Found] = []
    for call in sorted(calls, key=_takes_effect_s):
        handler = _HANDLERS.get(call.name)
        if handler is not None:
            found += [replace(each, lines=call.lines) for each in handler(call, descriptors)]
        descriptors.follow(call)
    return tuple(sorted((each.event() for each in found), key=lambda event: event.time_s))


def _takes_effect_s(call: Call) -> float:
    """A new descriptor is there when its call has returned; all other calls act on what was there at their entry."""
    opens = call.name in {"socket", "dup", "dup2", "dup3"}
    return call.returned_s if opens and call.returned_s is not None else call.time_s


def _single(call: Call, descriptors: Descriptors) -> Iterator[_Found]:
    """sendto, write, recvfrom, read: descriptor, bytes, length, and perhaps flags and an address."""
    text = call.arguments[1]
    length = strace_values.number(call.arguments[2]) if _is_refused(call) else call.result
    parts = [text] if isinstance(text, Text) else []
    yield from _transferred(call, descriptors, parts, length, call.arguments[4])


def _gathered(call: Call, descriptors: Descriptors) -> Iterator[_Found]:
    """writev, readv: descriptor, array of buffers."""
    yield from _transferred(call, descriptors, _buffers(call.arguments[1]), call.result, None)


def _described(call: Call, descriptors: Descriptors) -> Iterator[_Found]:
    """sendmsg, recvmsg: descriptor, a message's header, flags."""
    header = call.arguments[1]
    if isinstance(header, Group):
        parts = _buffers(header.get("msg_iov"))
        yield from _transferred(call, descriptors, parts, call.result, header.get("msg_name"))


def _many(call: Call, descriptors: Descriptors) -> Iterator[_Found]:
    """sendmmsg, recvmmsg: descriptor, array of headers with each one's length; the result is how many of them."""
    array = call.arguments[1]
    for each in tuple(array.groups())[: max(call.result or 0, 0)] if isinstance(array, Group) else ():
        header = each.get("msg_hdr") or each[0]  # strace 4.8 gives it no name
        length = strace_values.number(each.get("msg_len") or each[1])
        if isinstance(header, Group):
            parts = _buffers(header.get("msg_iov"))
            yield from _transferred(call, descriptors, parts, length, header.get("msg_name"))


def _buffers(array: Value | None) -> list[Text]:
    """Give the strings of an array of buffers, which strace 4.8 prints without names."""
    if not isinstance(array, Group):
        return []
    texts = [each.get("iov_base") or each[0] for each in array.groups()]
    return [text for text in texts if isinstance(text, Text)]


def _transferred(
    call: Call, descriptors: Descriptors, parts: list[Text], length: int | None, name: Value | None
) -> Iterator[_Found]:
    """Give the messages that so many bytes complete on a socket, if it is one to a DNS server."""
    fd = strace_values.number(call.arguments[0])
    socket = descriptors.get(call.pid, fd)
    if socket is None or fd is None or length is None or length < 0 or _is_a_look(call):
        return
    kind: Kind = "sent" if call.name.startswith(("send", "write")) else "read"
    server = address_in(name) or socket.peer
    if server is None or server[1] != DNS_PORT:
        return
    if kind == "sent":
        socket.last_sent_to = server
    shown = Shown.of(((part.data, part.is_cut) for part in parts), length)
    time_s = call.time_s if kind == "sent" or call.returned_s is None else call.returned_s
    messages = [shown.beginning()] if socket.protocol == "udp" else socket.streams[kind].take(shown)
    for payload in messages:
        # Over TCP, reading nothing is the end; over UDP, it is an empty message.
        yield _Found(kind, time_s, call.pid, fd, socket, server, message.parse(payload), refused=_is_refused(call))


def _is_refused(call: Call) -> bool:
    """Tell whether netfilter dropped a datagram while it was being sent: nf_hook_slow() makes EPERM of NF_DROP.

    One that waits in a queue by then is dropped later, and its sender is not told.
    """
    return call.result == -1 and call.more.startswith("EPERM") and call.name.startswith("send")


def _is_a_look(call: Call) -> bool:
    """Tell whether a call only looks ahead, or looks for errors: what it gives is no answer, or comes again."""
    flags = call.arguments[3 if call.name in {"recv", "recvfrom", "recvmmsg"} else 2]
    return isinstance(flags, str) and ("MSG_PEEK" in flags or "MSG_ERRQUEUE" in flags)


def _polled(call: Call, descriptors: Descriptors) -> Iterator[_Found]:
    """Poll, ppoll: array of descriptors, its length, timeout; a result of 0 is a time-out."""
    array = call.arguments[0]
    timeout_s = _timeout_s(call.arguments[2])
    if not isinstance(array, Group) or call.more != "(Timeout)" or call.result != 0 or timeout_s is None:
        return
    time_s = call.time_s if call.returned_s is None else call.returned_s
    for each in array.groups():
        fd = strace_values.number(each.get("fd"))
        socket = descriptors.get(call.pid, fd)
        if socket is None or fd is None:
            continue
        server = socket.peer or socket.last_sent_to
        if server is not None and server[1] == DNS_PORT:
            yield _Found("timed_out", time_s, call.pid, fd, socket, server, timeout_s=timeout_s)


def _timeout_s(value: Value | None) -> float | None:
    """Give poll's milliseconds, or ppoll's seconds and nanoseconds (without names in strace 4.8), in seconds."""
    if isinstance(value, Group):
        seconds, nanoseconds = (strace_values.number(value[position]) for position in (0, 1))
        return None if seconds is None or nanoseconds is None else seconds + nanoseconds / 1e9
    milliseconds = strace_values.number(value)
    return None if milliseconds is None or milliseconds < 0 else milliseconds / 1e3


_HANDLERS: dict[str, Callable[[Call, Descriptors], Iterator[_Found]]] = {
    # send and recv are calls of their own on some processors.
    **dict.fromkeys(("sendto", "send", "write", "recvfrom", "recv", "read"), _single),
    **dict.fromkeys(("writev", "readv"), _gathered),
    **dict.fromkeys(("sendmsg", "recvmsg"), _described),
    **dict.fromkeys(("sendmmsg", "recvmmsg"), _many),
    **dict.fromkeys(("poll", "ppoll"), _polled),
}
