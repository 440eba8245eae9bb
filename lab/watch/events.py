"""What the program on the machine has seen, as `lab.watch.protocol` reads it from its lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lab.evidence.packets import OUTGOING


@dataclass(frozen=True, slots=True)
class WatchBegun:
    """The first line: the inode of the program's own network namespace."""

    inode: int


@dataclass(frozen=True, slots=True)
class ClockTick:
    """Both clocks, read together, in nanoseconds: once a second."""

    monotonic_ns: int
    realtime_ns: int


@dataclass(frozen=True, slots=True)
class NamespaceFound:
    """A network namespace, or more about a known one.

    Attributes:
        number: Its number in the other lines.
        inode: Its inode, as in `readlink /proc/self/ns/net`.
        pid: A process in it; 0 for none.
        comm: The process's name.
        cgroup: The process's /proc/PID/cgroup.
        hostname: HOSTNAME of its environment; empty for none.
        path: The namespace's file, if it has one; empty for none.
    """

    number: int
    inode: int
    pid: int
    comm: str
    cgroup: str
    hostname: str
    path: str


@dataclass(frozen=True, slots=True)
class NamespaceGone:
    """A network namespace has ended."""

    number: int


@dataclass(frozen=True, slots=True)
class NamespaceMissing:
    """A network namespace that cannot be watched, and why."""

    inode: int
    why: str


class PacketSeen(NamedTuple):
    """A packet: its IP header and what follows, without payload other than a DNS header and question."""

    number: int
    monotonic_ns: int
    interface: int
    kind: int
    data: bytes

    @property
    def outgoing(self) -> bool:
        """Whether it was sent from this namespace."""
        return self.kind == OUTGOING


@dataclass(frozen=True, slots=True)
class PacketsLost:
    """Packets for which the program's own socket had no room."""

    number: int
    count: int


@dataclass(frozen=True, slots=True)
class CountersRead:
    """Counters of conntrack, summed over the processors, as `name=value` words."""

    number: int
    monotonic_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class QueuesRead:
    """The text of /proc/net/netfilter/nfnetlink_queue."""

    number: int
    monotonic_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class ConfigurationRead:
    """The text of resolv.conf."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class SocketWaits:
    """A UDP socket that waits for an answer for about a second or more, with its process.

    Attributes:
        number: The namespace.
        monotonic_ns: When it was seen.
        since_ns: When it was seen first, or when its last query was sent.
        port: Its local port.
        inode: Its inode.
        remote: The server's address, if no packet of it was captured; else empty.
        pid: The process; 0 if it was not found.
        comm: The process's name.
        cgroup: The process's /proc/PID/cgroup.
    """

    number: int
    monotonic_ns: int
    since_ns: int
    port: int
    inode: int
    remote: str
    pid: int
    comm: str
    cgroup: str


@dataclass(frozen=True, slots=True)
class LookupMade:
    """A lookup by getent, made by the program: its exit status is -1 for a signal, 127 for no getent."""

    order: int
    begun_ns: int
    took_ns: int
    status: int


@dataclass(frozen=True, slots=True)
class TraceBegun:
    """Confirm is traced from now on."""


@dataclass(frozen=True, slots=True)
class ConfirmSeen:
    """A DNS query by UDP that was passed to `__nf_conntrack_confirm`, in any network namespace.

    Attributes:
        monotonic_ns: When it was read from the trace, at most about 0.1 s after it happened.
        returned: Confirm's return value: 0 is NF_DROP, 1 NF_ACCEPT (linux/netfilter.h).
        source: Its source address, as bytes.
        sport: Its source port.
        destination: Its destination address, as bytes.
        dport: Its destination port.
        dns_id: The id of its DNS message.
    """

    monotonic_ns: int
    returned: int
    source: bytes
    sport: int
    destination: bytes
    dport: int
    dns_id: int


@dataclass(frozen=True, slots=True)
class TraceLost:
    """Events for which the trace had no room, at least."""

    count: int


@dataclass(frozen=True, slots=True)
class TraceRefused:
    """Why confirm is not traced, or not any more."""

    why: str


WatchEvent = (
    WatchBegun
    | ClockTick
    | NamespaceFound
    | NamespaceGone
    | NamespaceMissing
    | PacketSeen
    | PacketsLost
    | CountersRead
    | QueuesRead
    | ConfigurationRead
    | SocketWaits
    | LookupMade
    | TraceBegun
    | ConfirmSeen
    | TraceLost
    | TraceRefused
)
