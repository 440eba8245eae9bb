"""The contents of the given files, parsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.evidence import (
    confirms,
    conntracks,
    daemon_log,
    drops,
    lookup_times,
    nfqueue,
    qdisc,
    resolver,
    rules,
    trace,
    unsent,
    verdict_log,
)
from lab.evidence.capture import WirePacket
from lab.evidence.intake import segments
from lab.evidence.kernel_log import KernelLog
from lab.evidence.printed.model import PrintedCapture
from lab.evidence.refusals import Refusal
from lab.evidence.resolv_conf import ResolvConf
from lab.evidence.strace import TimestampKind

TEXT_MAX = 400
"""Most characters kept of a line: enough for a firewall's line with ports or a sendmmsg with two queries."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A line or packet of a file.

    Attributes:
        file: File name as given.
        line: Line number; None for a packet or a file as a whole.
        packet: Packet number as tcpdump and Wireshark count; None for a line or a file as a whole.
        text: The line, or a short description of the packet.
    """

    file: str
    line: int | None
    packet: int | None
    text: str

    @property
    def position(self) -> int:
        """Position in the file: its line or packet number."""
        return self.line or self.packet or 0

    def __str__(self) -> str:
        """Return `file:line` or `file, packet 7`."""
        if self.packet is not None:
            return f"{self.file}, packet {self.packet}"
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class QuotableFile:
    """A file whose lines can be quoted.

    Attributes:
        name: File name.
        lines: Its lines, for quoting.
    """

    name: str
    lines: Sequence[str] = field(repr=False, compare=False)

    def place(self, line: int) -> Citation:
        """Return the place of a line."""
        return Citation(self.name, line, None, quoted(self.lines, line))


def quoted(lines: Sequence[str], line: int) -> str:
    """Return a line, shortened; empty for a line that does not exist."""
    return lines[line - 1].strip()[:TEXT_MAX] if 0 < line <= len(lines) else ""


@dataclass(frozen=True)
class Capture:
    """A pcap or pcapng, or the text that tcpdump or tshark printed of one.

    Attributes:
        name: File name.
        packets: DNS messages.
        refusals: ICMP errors and TCP resets that refuse DNS messages.
        frames: Number of frames.
        first_s: Time of the first frame in seconds; 0 without frames.
        last_s: Time of the last frame in seconds; 0 without frames.
        snapped: Number of truncated DNS messages.
        clock: The clock of its timestamps.
        filtered: The filters that the file records; empty where it records none.
        printed: What a printed capture leaves out; None for a capture file.
        lines: The lines of a text, for quoting.
    """

    name: str
    packets: tuple[WirePacket, ...]
    refusals: tuple[Refusal, ...]
    frames: int
    first_s: float
    last_s: float
    snapped: int
    clock: TimestampKind = TimestampKind.REALTIME
    filtered: tuple[str, ...] = ()
    printed: PrintedCapture | None = field(default=None, repr=False)
    lines: Sequence[str] = field(default=(), repr=False, compare=False)

    def place(self, number: int, text: str) -> Citation:
        """Return the place of a packet: its line in a text, else its number, described by `text`."""
        if self.printed is None:
            return Citation(self.name, None, number, text)
        return Citation(self.name, number, None, quoted(self.lines, number))


@dataclass(frozen=True)
class Calls:
    """An strace.

    Attributes:
        name: File name.
        clock: The clock of its timestamps.
        threads: Whether it distinguishes threads (`-f`).
        forks: Whether it shows that another thread or process was started.
        events: Operations on sockets to DNS servers.
        refusals: Errors returned by those sockets.
        last_s: Time of its last line, by its clock.
        lines: Its lines, for quoting.
    """

    name: str
    clock: TimestampKind
    threads: bool
    forks: bool
    events: tuple[resolver.ResolverEvent, ...]
    refusals: tuple[resolver.Refused, ...]
    last_s: float
    lines: Sequence[str] = field(repr=False, compare=False)

    def place(self, line: int) -> Citation:
        """Return the place of a line."""
        return Citation(self.name, line, None, quoted(self.lines, line))


@dataclass(frozen=True)
class Reading:
    """One reading of conntrack's counters.

    Attributes:
        name: File name.
        form: `stat` for /proc/net/stat/nf_conntrack, `tool` for conntrack -S, `exporter` for monitoring data, `nstat`
            for nstat(8), which has no conntrack counters.
        counts: Counter values by name.
        line: First line of the reading.
        where: Labels that identify the machine in monitoring data; else empty. Readings with different labels are not
            comparable.
    """

    name: str
    form: str
    counts: Mapping[str, int]
    line: int
    where: str = ""


@dataclass(frozen=True)
class Denied:
    """Counters that could not be read: conntrack(8)'s error message to users other than root."""

    name: str
    text: str


@dataclass(frozen=True)
class Log:
    """A kernel log."""

    name: str
    log: KernelLog
    lines: Sequence[str] = field(repr=False, compare=False)

    def place(self, line: int) -> Citation:
        """Return the place of a line."""
        return Citation(self.name, line, None, quoted(self.lines, line))


@dataclass(frozen=True)
class Options:
    """A resolv.conf."""

    name: str
    conf: ResolvConf


@dataclass(frozen=True)
class Traced:
    """A tracefs kernel trace."""

    name: str
    trace: trace.Trace


@dataclass(frozen=True)
class Verdicts:
    """The log of the lab's verdict program."""

    name: str
    log: verdict_log.VerdictLog


@dataclass(frozen=True)
class Times(QuotableFile):
    """Durations of lookups."""

    samples: tuple[lookup_times.Sample, ...]


@dataclass(frozen=True)
class Queues(QuotableFile):
    """The kernel's list of user-space queues."""

    rows: tuple[nfqueue.QueueRow, ...]


@dataclass(frozen=True)
class Conntracks(QuotableFile):
    """Conntrack entries, or conntrack events."""

    entries: tuple[conntracks.Entry, ...]


@dataclass(frozen=True)
class Drops(QuotableFile):
    """Packets dropped by the kernel, as a tool reports them; see `drops.Drops` for the tools."""

    tool: str
    drops: tuple[drops.Drop, ...]


@dataclass(frozen=True)
class Confirms(QuotableFile):
    """Return values of confirm, from systemtap or bpftrace."""

    returns: tuple[confirms.Confirm, ...]


@dataclass(frozen=True)
class Daemon(QuotableFile):
    """The log of a resolver between client and server."""

    program: str
    events: tuple[daemon_log.DaemonEvent, ...]


@dataclass(frozen=True)
class Disciplines(QuotableFile):
    """Packets sent and dropped by queueing disciplines."""

    qdiscs: tuple[qdisc.Qdisc, ...]


@dataclass(frozen=True)
class Rules(QuotableFile):
    """The packet filter's rules that send packets to a queue; may be empty."""

    rules: tuple[rules.Rule, ...]


@dataclass(frozen=True)
class Unsent(QuotableFile):
    """Sockets to DNS servers of which no packet came to the wire, as `lab watch` saves them."""

    sockets: tuple[unsent.UnsentSocket, ...]


@dataclass(frozen=True)
class Unread:
    """Unread parts of a file of which other parts were read.

    Attributes:
        name: File name.
        parts: First and last line of each part, with the text of its first line.
    """

    name: str
    parts: tuple[segments.UnreadLines, ...]


@dataclass(frozen=True)
class Unknown:
    """A file of which nothing could be read.

    Attributes:
        name: File name.
        why: The reason, in a few words.
        hint: What to do instead; empty when there is no advice.
    """

    name: str
    why: str
    hint: str = ""


@dataclass(frozen=True)
class Nothing:
    """An empty file.

    Attributes:
        name: File name.
        why: The reason, in a few words.
    """

    name: str
    why: str


Material = (
    Capture
    | Calls
    | Reading
    | Denied
    | Log
    | Options
    | Traced
    | Verdicts
    | Times
    | Queues
    | Conntracks
    | Drops
    | Confirms
    | Daemon
    | Disciplines
    | Rules
    | Unsent
    | Nothing
    | Unread
    | Unknown
)

KINDS: Mapping[type[Material], str] = {
    Capture: "a capture",
    Calls: "an strace",
    Reading: "conntrack's counters",
    Denied: "conntrack's counters, refused",
    Log: "a kernel's log",
    Options: "a resolv.conf",
    Traced: "a kernel trace",
    Verdicts: "a log of the verdict program",
    Times: "times of lookups",
    Queues: "queues to user space",
    Conntracks: "conntrack's entries",
    Drops: "dropped packets",
    Confirms: "a trace of confirm",
    Daemon: "a resolver's log",
    Disciplines: "queueing disciplines",
    Rules: "the packet filter's rules",
    Unsent: "sockets without packets",
    Nothing: "nothing to read",
    Unread: "parts that are not known",
    Unknown: "not known",
}
"""Name of each kind of material."""
