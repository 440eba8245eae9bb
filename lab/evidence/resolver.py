"""The resolver's queries, answers and timeouts, extracted from its system calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from lab.evidence import message, strace_values
from lab.evidence.constants import DNS_PORT
from lab.evidence.descriptors import Descriptors, Socket, address_in
from lab.evidence.message import Message
from lab.evidence.strace import Call
from lab.evidence.strace_values import Group, Text, Value
from lab.evidence.stream import PartialBytes

Kind = Literal["sent", "read", "timed_out"]


@dataclass(frozen=True)
class ResolverEvent:
    """One action of the resolver on a socket to a DNS server.

    Attributes:
        kind: `sent` a message, `read` a message, or `timed_out`: it polled the socket until the timeout.
        time_s: CLOCK_REALTIME in seconds: for `sent` when the call was entered, else when it returned, where strace
            shows that.
        pid: The thread's id; None when strace followed only one.
        fd: The socket's descriptor.
        server: The server's address; None while an unconnected socket has sent nothing.
        server_port: The server's port; None while an unconnected socket has sent nothing.
        local_port: The socket's local port; None unless bind or getsockname shows it.
        protocol: `udp` or `tcp`.
        message: The message sent or read; None for `timed_out`, and when the payload is too short.
        timeout_s: The timeout of `timed_out`, in seconds, 0 for a poll that does not wait; else None.
        refused: Whether the kernel dropped the message that was `sent`, and the call returned an error.
        line: The line on which the call begins, from 1; ignored in comparisons.
        last_line: The line on which the call ends; ignored in comparisons.
        socket: A number that is unique among the trace's sockets.
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
    """An error that a socket to a DNS server returned.

    Attributes:
        time_s: Time by the trace's clock, in seconds.
        line: Line number, from 1.
        call: The system call that returned it.
        error: The error, such as `ECONNREFUSED`; `POLLERR` where poll reports an error without its number.
        server: The server's address; None while an unconnected socket has sent nothing.
    """

    time_s: float
    line: int
    call: str
    error: str
    server: str | None


REFUSALS = frozenset({"ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EACCES", "ENOBUFS"})
"""Errors of a socket after ICMP errors or local failures: icmp_err_convert (net/ipv4/icmp.c), udp(7), ip(7)."""


POLLERR = "POLLERR"
_POLLS = ("poll", "ppoll")


@dataclass(frozen=True)
class _PendingEvent:
    """An event whose socket is not yet known completely: its local port may be shown after the first query."""

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


def extract_events(calls: Iterable[Call]) -> tuple[ResolverEvent, ...]:
    """Extract the events on sockets to port 53 of any address, in order of time.

    Failed calls are ignored, except the send of a datagram that netfilter dropped. MSG_PEEK is not a read, and epoll is
    not supported. A message over TCP is complete when its last byte has arrived (RFC 1035, 4.2.2: it is preceded by
    its length).
    """
    descriptors = Descriptors()
    events: list[_PendingEvent] = []
    for call in sorted(calls, key=_takes_effect_s):
        descriptors.detect(call)
        handler = _HANDLERS.get(call.name)
        if handler is not None:
            events += handler(call, descriptors)
        descriptors.follow(call)
    return tuple(sorted((each.event() for each in events), key=lambda event: event.time_s))


def extract_refusals(calls: Iterable[Call]) -> tuple[Refused, ...]:
    """Extract the errors of sockets to port 53 of any address, in order of time."""
    descriptors = Descriptors()
    refused: list[Refused] = []
    for call in sorted(calls, key=_takes_effect_s):
        descriptors.detect(call)
        for fd, error in _errors(call):
            socket = descriptors.get(call.pid, fd)
            if socket is not None:
                to = address_in(call.arguments[1]) if call.name == "connect" else socket.peer or socket.last_sent_to
                if to is not None and to[1] == DNS_PORT:
                    refused.append(Refused(call.time_s, call.line, call.name, error, to[0]))
        descriptors.follow(call)
    return tuple(refused)


def _errors(call: Call) -> Iterator[tuple[int | None, str]]:
    """Yield the descriptors of a call with the errors that they returned."""
    error = call.more.partition(" ")[0]
    if call.result == -1 and error in REFUSALS:
        yield strace_values.parse_number(call.arguments[0]), error
    # strace prints poll's events after the result: "= 1 ([{fd=3, revents=POLLERR}])".
    read = strace_values.parse_arguments(call.more[1:]) if call.name in _POLLS and "POLLERR" in call.more else None
    array = read[0][0] if read else None
    for each in array.groups() if isinstance(array, Group) else ():
        happened = each.get("revents")
        if isinstance(happened, str) and "POLLERR" in happened.split("|"):
            yield strace_values.parse_number(each.get("fd")), POLLERR


def _takes_effect_s(call: Call) -> float:
    """Return when a call takes effect: at its return for a call that creates a descriptor, else at its entry."""
    opens = call.name in {"socket", "dup", "dup2", "dup3"}
    return call.returned_s if opens and call.returned_s is not None else call.time_s


def _handle_buffer(call: Call, descriptors: Descriptors) -> Iterator[_PendingEvent]:
    """Handle sendto, write, recvfrom, read: descriptor, bytes, length, optional flags and address."""
    text = call.arguments[1]
    length = strace_values.parse_number(call.arguments[2]) if _is_refused(call) else call.result
    parts = [text] if isinstance(text, Text) else []
    yield from _transferred(call, descriptors, parts, length, call.arguments[4])


def _handle_vector(call: Call, descriptors: Descriptors) -> Iterator[_PendingEvent]:
    """Handle writev, readv: descriptor, array of buffers."""
    yield from _transferred(call, descriptors, _buffers(call.arguments[1]), call.result, None)


def _handle_message(call: Call, descriptors: Descriptors) -> Iterator[_PendingEvent]:
    """Handle sendmsg, recvmsg: descriptor, message header, flags."""
    header = call.arguments[1]
    if isinstance(header, Group):
        parts = _buffers(header.get("msg_iov"))
        yield from _transferred(call, descriptors, parts, call.result, header.get("msg_name"))


def _handle_messages(call: Call, descriptors: Descriptors) -> Iterator[_PendingEvent]:
    """Handle sendmmsg, recvmmsg: descriptor, array of headers with lengths; the result is the number of messages.

    When the first message fails, its error is the result, and the others are not sent (net/socket.c).
    """
    array = call.arguments[1]
    count = 1 if _is_refused(call) else max(call.result or 0, 0)
    for each in tuple(array.groups())[:count] if isinstance(array, Group) else ():
        header = each.get("msg_hdr") or each[0]  # strace 4.8 prints no name
        length = strace_values.parse_number(each.get("msg_len") or each[1])
        if isinstance(header, Group):
            parts = _buffers(header.get("msg_iov"))
            length = sum(len(part.data) for part in parts) if _is_refused(call) else length
            yield from _transferred(call, descriptors, parts, length, header.get("msg_name"))


def _buffers(array: Value | None) -> list[Text]:
    """Return the strings of an array of buffers, which strace 4.8 prints without names."""
    if not isinstance(array, Group):
        return []
    texts = [each.get("iov_base") or each[0] for each in array.groups()]
    return [text for text in texts if isinstance(text, Text)]


def _transferred(
    call: Call, descriptors: Descriptors, parts: list[Text], length: int | None, name: Value | None
) -> Iterator[_PendingEvent]:
    """Yield the messages completed by `length` transferred bytes, if the socket is one to a DNS server."""
    fd = strace_values.parse_number(call.arguments[0])
    socket = descriptors.get(call.pid, fd)
    if socket is None or fd is None or length is None or length < 0 or _is_peek(call):
        return
    kind: Kind = "sent" if call.name.startswith(("send", "write")) else "read"
    server = address_in(name) or socket.peer
    if server is None or server[1] != DNS_PORT:
        return
    if kind == "sent":
        socket.last_sent_to = server
    shown = PartialBytes.join(((part.data, part.is_cut) for part in parts), length)
    time_s = call.time_s if kind == "sent" or call.returned_s is None else call.returned_s
    messages = [shown.known_prefix()] if socket.protocol == "udp" else socket.streams[kind].take(shown)
    for payload in messages:
        # Over TCP an empty read is the end; over UDP it is an empty message.
        yield _PendingEvent(kind, call, time_s, fd, socket, server, message.parse(payload), refused=_is_refused(call))


def _is_refused(call: Call) -> bool:
    """Return whether netfilter dropped a datagram during the send: nf_hook_slow() converts NF_DROP to EPERM.

    A queued datagram is dropped after the call returned, without an error.
    """
    return call.result == -1 and call.more.startswith("EPERM") and call.name.startswith("send")


def _is_peek(call: Call) -> bool:
    """Return whether a call only peeks, or reads the error queue; the data is no answer, or is read again."""
    flags = call.arguments[3 if call.name in {"recv", "recvfrom", "recvmmsg"} else 2]
    return isinstance(flags, str) and ("MSG_PEEK" in flags or "MSG_ERRQUEUE" in flags)


def _handle_poll(call: Call, descriptors: Descriptors) -> Iterator[_PendingEvent]:
    """Handle poll, ppoll: array of descriptors, its length, timeout; a result of 0 is a timeout."""
    array = call.arguments[0]
    timeout_s = strace_values.parse_timeout_s(call.arguments[2])
    if not isinstance(array, Group) or call.more != "(Timeout)" or call.result != 0 or timeout_s is None:
        return
    time_s = call.time_s if call.returned_s is None else call.returned_s
    for each in array.groups():
        fd = strace_values.parse_number(each.get("fd"))
        socket = descriptors.get(call.pid, fd)
        if socket is None or fd is None:
            continue
        server = socket.peer or socket.last_sent_to
        if server is not None and server[1] == DNS_PORT:
            yield _PendingEvent("timed_out", call, time_s, fd, socket, server, timeout_s=timeout_s)


_HANDLERS: dict[str, Callable[[Call, Descriptors], Iterator[_PendingEvent]]] = {
    # send and recv are separate system calls on some architectures.
    **dict.fromkeys(("sendto", "send", "write", "recvfrom", "recv", "read"), _handle_buffer),
    **dict.fromkeys(("writev", "readv"), _handle_vector),
    **dict.fromkeys(("sendmsg", "recvmsg"), _handle_message),
    **dict.fromkeys(("sendmmsg", "recvmmsg"), _handle_messages),
    **dict.fromkeys(_POLLS, _handle_poll),
}
