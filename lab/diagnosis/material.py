"""What people brought, read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.evidence import resolver, trace, verdict_log
from lab.evidence.capture import WirePacket
from lab.evidence.kernel_log import KernelLog
from lab.evidence.refusals import Refusal
from lab.evidence.resolv_conf import ResolvConf
from lab.evidence.strace import Clock

TEXT_MAX = 400
"""So much of a line is kept: a firewall's line with its ports, a sendmmsg with two queries."""


@dataclass(frozen=True)
class Place:
    """Where something is said.

    Attributes:
        file: The file, as it was given.
        line: The number of the line; None for what is said by a packet, or by the file as a whole.
        packet: The number of the packet, as tcpdump and Wireshark count; None likewise.
        text: What is said there, as it stands there or in brief.
    """

    file: str
    line: int | None
    packet: int | None
    text: str

    def __str__(self) -> str:
        """Give it as `file:line` or `file, packet 7`."""
        if self.packet is not None:
            return f"{self.file}, packet {self.packet}"
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Capture:
    """A pcap or pcapng.

    Attributes:
        name: The file.
        packets: DNS messages in it.
        refusals: What refused any.
        frames: How many frames it has in all.
        first_s: When the first went by, in seconds; 0 where there is none.
        last_s: When the last did, likewise.
        snapped: How many DNS messages are there in part only.
    """

    name: str
    packets: tuple[WirePacket, ...]
    refusals: tuple[Refusal, ...]
    frames: int
    first_s: float
    last_s: float
    snapped: int


@dataclass(frozen=True)
class Calls:
    """A strace.

    Attributes:
        name: The file.
        clock: What its times are.
        threads: Whether it tells threads apart (`-f`).
        forks: Whether it shows that another thread or process was started.
        events: What was done on sockets to DNS servers.
        refusals: What those were refused.
        lines: Its lines, to be shown.
    """

    name: str
    clock: Clock
    threads: bool
    forks: bool
    events: tuple[resolver.ResolverEvent, ...]
    refusals: tuple[resolver.Refused, ...]
    lines: tuple[str, ...] = field(repr=False)

    def place(self, line: int) -> Place:
        """Give a line as a place."""
        return Place(self.name, line, None, self.lines[line - 1].strip()[:TEXT_MAX])


@dataclass(frozen=True)
class Reading:
    """One reading of conntrack's counters.

    Attributes:
        name: The file.
        form: `stat` for /proc/net/stat/nf_conntrack, `tool` for conntrack -S.
        counts: What they were.
        line: Where the reading begins.
    """

    name: str
    form: str
    counts: Mapping[str, int]
    line: int


@dataclass(frozen=True)
class Denied:
    """Counters that were not given: what conntrack(8) says to others than root."""

    name: str
    text: str


@dataclass(frozen=True)
class Log:
    """A kernel's log."""

    name: str
    log: KernelLog
    lines: tuple[str, ...] = field(repr=False)

    def place(self, line: int) -> Place:
        """Give a line as a place."""
        return Place(self.name, line, None, self.lines[line - 1].strip()[:TEXT_MAX])


@dataclass(frozen=True)
class Options:
    """A resolv.conf."""

    name: str
    conf: ResolvConf


@dataclass(frozen=True)
class Traced:
    """A kernel trace of tracefs."""

    name: str
    trace: trace.Trace


@dataclass(frozen=True)
class Verdicts:
    """The log of the lab's verdict program."""

    name: str
    log: verdict_log.VerdictLog


@dataclass(frozen=True)
class Nothing:
    """A file that was read and says nothing: it is empty, or damaged.

    Attributes:
        name: The file.
        why: Why it says nothing.
    """

    name: str
    why: str


Material = Capture | Calls | Reading | Denied | Log | Options | Traced | Verdicts | Nothing

KINDS: Mapping[type[Material], str] = {
    Capture: "a capture",
    Calls: "an strace",
    Reading: "conntrack's counters",
    Denied: "conntrack's counters, refused",
    Log: "a kernel's log",
    Options: "a resolv.conf",
    Traced: "a kernel trace",
    Verdicts: "a log of the verdict program",
    Nothing: "nothing to read",
}
"""What each is called."""
