"""The kernel's log, in any common form: dmesg, `dmesg -T`, journalctl -k, a syslog file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lab.evidence import hook, log_line
from lab.evidence.errors import UnreadableError
from lab.evidence.log_line import Logged

# Newer kernels name the network namespace: "nf_conntrack: table full in netns 4026532281, dropping packet".
_TABLE_FULL = re.compile(r"(?:(?:nf|ip)_conntrack: ){1,2}table full(?: in netns \d{1,20})?, dropping packet")
_QUEUE_FULL = re.compile(r"nf_queue: full at \d{1,10} entries, dropping packets")
_LOGGED = re.compile(
    r"^(?P<prefix>.{0,60}?)IN=\S{0,16} OUT=\S{0,16} .{0,200}?PROTO=(?:UDP|TCP) .{0,40}?"
    r"SPT=(?P<sport>\d{1,5}) DPT=(?P<dport>\d{1,5})"
)
_REFUSING = re.compile(r"drop|reject|block|den(?:y|ied)|refus", re.IGNORECASE)
_CUT = re.compile(
    r"(?:(?:nf|ip)_conntrack: ?){1,2}(?:table full(?: in netns \d{0,20})?,?)?(?: dropping)?|"
    r"nf_queue: full at(?: \d{1,10}(?: entries,?(?: dropping)?)?)?|.{0,60}?IN=\S{0,16} OUT=\S{0,16} .{0,200}|"
    r"\[nfqdns\].{0,200}"
)
"""A relevant message that was truncated by line wrapping."""

_NEEDLE = re.compile(r"_conntrack:|nf_queue:|\[nfqdns\]|IN=")
"""A quick prefilter that every relevant line matches; most lines of a log do not."""

TABLE_FULL, QUEUE_FULL, FIREWALL = "table full", "queue full", "firewall"
_WORDS = {TABLE_FULL: "conntrack: table full", QUEUE_FULL: "nf_queue: full at "}


MATCHES_MAX = 1000
"""Maximum number of matches of one kind: a full table may fill a log for days, and more lines add nothing."""


@dataclass(frozen=True)
class LogMatch:
    """One line of the log that is relevant to DNS packets.

    Attributes:
        number: Line number, from 1.
        what: `table full` (nf_conntrack_core.c: every new flow is dropped), `queue full` (nfnetlink_queue.c: the
            verdict program is too slow), `firewall` (a rule logged a DNS packet with a prefix such as "REJECT").
    """

    number: int
    what: str


@dataclass(frozen=True)
class KernelLog:
    """The relevant content of a kernel log.

    Attributes:
        matches: The relevant lines, except the hook's.
        queued: The hook's packets, each with its line number.
        problem: Why the hook's lines could not be parsed; None without a problem.
    """

    matches: tuple[LogMatch, ...]
    queued: tuple[tuple[int, hook.HookPacket], ...]
    problem: str | None = None


def is_line(line: str) -> bool:
    """Return whether a line belongs to a kernel log, or to a log that may contain kernel messages."""
    return log_line.is_marked(line) or (bool(_NEEDLE.search(line)) and _matters(log_line.split(line).text))


def is_whole(line: str) -> bool:
    """Return whether a message is complete, that is, not a truncated relevant message."""
    if not _NEEDLE.search(line):
        return True
    text = log_line.split(line).text.rstrip()
    return _matters(text) or not _CUT.fullmatch(text)


def _matters(text: str) -> bool:
    return bool(_TABLE_FULL.match(text) or _QUEUE_FULL.match(text) or hook.is_line(text) or _LOGGED.match(text))


def parse(text: str) -> KernelLog:
    """Parse a log; irrelevant lines are skipped. Never raises."""
    return parse_lines(enumerate((line.rstrip() for line in text.split("\n")), 1))


def parse_lines(lines: Iterable[tuple[int, str]]) -> KernelLog:
    """Parse the numbered lines of a log."""
    matches: list[LogMatch] = []
    count: Counter[str] = Counter()
    queued: list[tuple[int, hook.HookPacket]] = []
    problem = None
    for number, line in lines:
        # In JSON the message may be an array of bytes.
        if line[:1] != "{" and not _NEEDLE.search(line):
            continue
        if any(count[what] >= MATCHES_MAX and words in line for what, words in _WORDS.items()):
            continue
        logged = log_line.split(line)
        if logged.ident not in {None, "kernel"}:
            continue
        line_matches = tuple(_match_line(number, logged.text))
        count.update(each.what for each in line_matches)
        matches += line_matches
        try:
            queued += [(number, packet) for packet in _queued(logged, number)]
        except UnreadableError as error:
            problem = str(error)
    return KernelLog(tuple(matches), tuple(queued), problem)


def _queued(logged: Logged, number: int) -> Iterator[hook.HookPacket]:
    """Parse a line of the hook; its time is the time since the kernel started, or else the log's other time."""
    if hook.is_line(logged.text):
        time_s = logged.time_s if logged.uptime_s is None else logged.uptime_s
        yield replace(hook.parse_packet(logged.text, number), time_s=time_s or 0.0)


def _match_line(number: int, text: str) -> Iterator[LogMatch]:
    if _TABLE_FULL.match(text):
        yield LogMatch(number, TABLE_FULL)
    if _QUEUE_FULL.match(text):
        yield LogMatch(number, QUEUE_FULL)
    logged = _LOGGED.match(text)
    if logged and "53" in {logged["sport"], logged["dport"]} and _REFUSING.search(logged["prefix"]):
        yield LogMatch(number, FIREWALL)
