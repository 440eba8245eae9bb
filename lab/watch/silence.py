"""Lookups of which no packet came to the wire, by sockets that wait."""

from __future__ import annotations

from collections.abc import Iterator

from lab.watch.events import SocketWaits
from lab.watch.exchanges import SECOND_NS

_AGAIN_NS = 3 * SECOND_NS
"""glibc closes a socket without any answer and opens another one (res_send.c): it is reported a second or two later. A
lookup without one for longer has ended."""

_NOW_NS = SECOND_NS // 2

Waiting = dict[int, tuple[SocketWaits, SocketWaits]]
"""By inode: when a socket was seen first, and last."""


def take_silent(waiting: Waiting, socket: SocketWaits, longest_ns: int) -> None:
    """Note that a socket waits; the next one of the same process continues the same lookup.

    Args:
        waiting: The sockets that wait.
        socket: The socket.
        longest_ns: The longest time that one lookup takes.
    """
    first, _ = waiting.get(socket.inode, (None, None))
    if first is None:
        first = socket
        for inode, (begun, last) in list(waiting.items()):
            follows = _NOW_NS < socket.monotonic_ns - last.monotonic_ns <= _AGAIN_NS
            same = last.pid and last.pid == socket.pid and socket.since_ns - begun.since_ns < longest_ns - _NOW_NS
            if same and follows:
                del waiting[inode]
                first = begun
    waiting[socket.inode] = (first, socket)


def pop_ended(
    waiting: Waiting, now_ns: int, shortest_ns: int, *, everything: bool = False
) -> Iterator[tuple[SocketWaits, SocketWaits]]:
    """Yield the lookups that have ended and met a timeout, by their first and last sight, and forget all that ended.

    Args:
        waiting: The sockets that wait.
        now_ns: The present time.
        shortest_ns: A socket that waits for less has met no timeout.
        everything: Whether all have to end now.
    """
    for inode, (first, last) in list(waiting.items()):
        if everything or now_ns - last.monotonic_ns > _AGAIN_NS:
            del waiting[inode]
            if last.monotonic_ns - first.since_ns >= shortest_ns:
                yield first, last


def drop_seen(waiting: Waiting, port: int) -> None:
    """Forget the sockets of a port from which a query came to the wire after all: it had waited in a queue.

    Args:
        waiting: The sockets that wait.
        port: The query's source port.
    """
    for inode, (_, last) in list(waiting.items()):
        if last.port == port:
            del waiting[inode]
