"""What the resolver did: its queries, its answers, its waits in vain, from its system calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
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
        line: Which line of the trace tells it, from 1; the same event is the same on whatever line.
        last_line: ... and on which that call ends.
        socket: A number that no other socket of the trace has, whatever descriptors it had.
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
    line: int = field(default=0, compare=False)
    last_line: int = field(default=0, compare=False)
    socket: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Refused:
    """A socket to a DNS server was told that nobody will answer.

    Attributes:
        time_s: When, by the trace's clock, in seconds.
        line: Which line tells it, from 1.
        call: By which call.
        error: What it returned: `ECONNREFUSED`; `POLLERR` where poll says that there is an error, and not which.
        server: The server's address; None while nothing had been sent to any from an unconnected socket.
    """

    time_s: float
    line: int
    call: str
    error: str
    server: str | None


REFUSALS = frozenset({"ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EACCES", "ENOBUFS"})
"""What ICMP errors, and the kernel itself, tell a socket: see icmp_err_convert (net/ipv4/icmp.c), udp(7), ip(7)."""


POLLERR = "POLLERR"
_POLLS = ("poll", "ppoll")


@dataclass(frozen=True)
class _Found:
    """An event before its socket is known in full: what port that has may be told after the first query."""

    kind: Kind
    call: Call
    time_s: float
    fd: int
    socket: Socket
    server: tuple[str, int] | None
    message: Message | None = None
    timeout_s: float | None = None
    refused: bool = False

    def event(self) -> ResolverEvent:
        server, server_port = self.server or (None, None)
        port, protocol = self.socket.local_port, self.socket.protocol
        of = (self.call.pid, self.fd, server, server_port, port, protocol)
        where = (self.call.line, self.call.last_line, self.socket.number)
        return ResolverEvent(self.kind, self.time_s, *of, self.message, self.timeout_s, self.refused, *where)


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
            found += handler(call, descriptors)
        descriptors.follow(call)
    return tuple(sorted((each.event() for each in found), key=lambda event: event.time_s))


def refusals(calls: Iterable[Call]) -> tuple[Refused, ...]:
    """Give what sockets to port 53 of any address were refused, in order of time."""
    descriptors = Descriptors()
    found: list[Refused] = []
    for call in sorted(calls, key=_takes_effect_s):
        for fd, error in _errors(call):
            socket = descriptors.get(call.pid, fd)
            if socket is not None:
                to = address_in(call.arguments[1]) if call.name == "connect" else socket.peer or socket.last_sent_to
                if to is not None and to[1] == DNS_PORT:
                    found.append(Refused(call.time_s, call.line, call.name, error, to[0]))
        descriptors.follow(call)
    return tuple(found)


def _errors(call: Call) -> Iterator[tuple[int | None, str]]:
    """Give the descriptors of a call that were refused something, and what they were told."""
    error = call.more.partition(" ")[0]
    if call.result == -1 and error in REFUSALS:
        yield strace_values.number(call.arguments[0]), error
    # What poll found stands behind its result: "= 1 ([{fd=3, revents=POLLERR}])".
    read = strace_values.arguments(call.more[1:]) if call.name in _POLLS and "POLLERR" in call.more else None
    array = read[0][0] if read else None
    for each in array.groups() if isinstance(array, Group) else ():
        happened = each.get("revents")
        if isinstance(happened, str) and "POLLERR" in happened.split("|"):
            yield strace_values.number(each.get("fd")), POLLERR


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
    """sendmmsg, recvmmsg: descriptor, array of headers with each one's length; the result is how many of them.

    When the first of them is refused, that is the result, and the others are not even tried (net/socket.c).
    """
    array = call.arguments[1]
    count = 1 if _is_refused(call) else max(call.result or 0, 0)
    for each in tuple(array.groups())[:count] if isinstance(array, Group) else ():
        header = each.get("msg_hdr") or each[0]  # strace 4.8 gives it no name
        length = strace_values.number(each.get("msg_len") or each[1])
        if isinstance(header, Group):
            parts = _buffers(header.get("msg_iov"))
            length = sum(len(part.data) for part in parts) if _is_refused(call) else length
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
        yield _Found(kind, call, time_s, fd, socket, server, message.parse(payload), refused=_is_refused(call))


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
    timeout_s = strace_values.timeout_s(call.arguments[2])
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
            yield _Found("timed_out", call, time_s, fd, socket, server, timeout_s=timeout_s)


_HANDLERS: dict[str, Callable[[Call, Descriptors], Iterator[_Found]]] = {
    # send and recv are calls of their own on some processors.
    **dict.fromkeys(("sendto", "send", "write", "recvfrom", "recv", "read"), _single),
    **dict.fromkeys(("writev", "readv"), _gathered),
    **dict.fromkeys(("sendmsg", "recvmsg"), _described),
    **dict.fromkeys(("sendmmsg", "recvmmsg"), _many),
    **dict.fromkeys(_POLLS, _polled),
}
