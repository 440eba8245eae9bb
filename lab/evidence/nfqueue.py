"""Parser of /proc/net/netfilter/nfnetlink_queue, the kernel's list of queues to user space."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from lab.evidence.fields import PORT_MAX

# net/netfilter/nfnetlink_queue.c, seq_show(): queue number, netlink port of the program, waiting packets, copy mode,
# copy range, drops because the queue was full, drops because the program's socket was full, sequence number of the
# last packet, 1. Kernels before 3.11 print some of them signed.
_ROW = re.compile(
    r"\s*(?P<queue>\d{1,5})\s+(?P<peer>-?\d{1,10})\s+(?P<waiting>\d{1,10})\s+(?P<mode>[012])\s+(?P<range>\d{1,5})\s+"
    r"(?P<queue_dropped>\d{1,10})\s+(?P<user_dropped>\d{1,10})\s+(?P<sequence>\d{1,10})\s+1\s*"
)


@dataclass(frozen=True)
class QueueRow:
    """One queue.

    Attributes:
        queue: The queue's number.
        peer: The netlink port of the verdict program, usually its process id.
        waiting: Number of packets that wait for a verdict.
        copy_mode: What is copied to the program: 0 nothing, 1 metadata, 2 the packet.
        copy_range: Maximum number of bytes copied.
        queue_dropped: Number of packets dropped because the queue was full.
        user_dropped: Number of packets dropped because the program's socket was full.
        sequence: The last packet's number, that is, the count of all packets.
        line: Line number, from 1.
    """

    queue: int
    peer: int
    waiting: int
    copy_mode: int
    copy_range: int
    queue_dropped: int
    user_dropped: int
    sequence: int
    line: int = field(default=0, compare=False)


def is_line(line: str) -> bool:
    """Return whether a line describes a queue."""
    match = _ROW.fullmatch(line)
    return match is not None and max(int(match["queue"]), int(match["range"])) <= PORT_MAX


def parse(lines: Iterable[tuple[int, str]]) -> tuple[QueueRow, ...]:
    """Parse queues from numbered lines; other lines are skipped."""
    return tuple(_row(match, number) for number, line in lines if is_line(line) and (match := _ROW.fullmatch(line)))


def _row(match: re.Match[str], line: int) -> QueueRow:
    return QueueRow(
        queue=int(match["queue"]),
        peer=int(match["peer"]),
        waiting=int(match["waiting"]),
        copy_mode=int(match["mode"]),
        copy_range=int(match["range"]),
        queue_dropped=int(match["queue_dropped"]),
        user_dropped=int(match["user_dropped"]),
        sequence=int(match["sequence"]),
        line=line,
    )
