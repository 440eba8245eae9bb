"""The kernel's log, in whatever form people bring it: dmesg, `dmesg -T`, journalctl -k, a file of syslog's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lab.evidence import hook
from lab.evidence.errors import UnreadableError

# <LEVEL>[SECONDS] or [Day Mon DD HH:MM:SS YYYY] (dmesg -T); before it, or instead of it, what syslog and journalctl
# put there: a time, a host and "kernel:".
_LEVEL = r"(?:<\d{1,3}>)?(?:(?:kern|daemon|user|syslog)\s{0,4}:[a-z ]{1,8}: )?"
_STAMP = r"\[ {0,12}(?P<time>\d{1,10}\.\d{1,9}|[A-Z][a-z]{2} [A-Z][a-z]{2} [\d ]\d [\d:]{8} \d{4})\] ?"
_SYSLOG = r"(?:[A-Z][a-z]{2} [\d ]\d [\d:]{8}|\d{4}-\d\d-\d\d[T ][\d:.,]{8,15}(?:Z|[+-][\d:]{4,5})?) \S{1,255} kernel: "
_MONOTONIC = r"\[ {0,12}\d{1,10}\.\d{1,9}\] \S{1,255} kernel: "
_LINE = re.compile(rf"(?:{_SYSLOG}|{_MONOTONIC})?{_LEVEL}(?:{_STAMP})?(?P<text>.*)", re.ASCII)
_MARKED = re.compile(rf"(?:{_SYSLOG}|{_MONOTONIC}|{_LEVEL}{_STAMP})", re.ASCII)

_TABLE_FULL = re.compile(r"(?:nf|ip)_conntrack: table full, dropping packet")
_QUEUE_FULL = re.compile(r"nf_queue: full at \d{1,10} entries, dropping packets")
_LOGGED = re.compile(
    r"^(?P<prefix>.{0,60}?)IN=\S{0,16} OUT=\S{0,16} .{0,200}?PROTO=(?:UDP|TCP) .{0,40}?"
    r"SPT=(?P<sport>\d{1,5}) DPT=(?P<dport>\d{1,5})"
)
_REFUSING = re.compile(r"drop|reject|block|den(?:y|ied)|refus", re.IGNORECASE)

TABLE_FULL, QUEUE_FULL, FIREWALL = "table full", "queue full", "firewall"


@dataclass(frozen=True)
class Said:
    """One line of the log that matters to DNS packets.

    Attributes:
        number: Its number, from 1.
        what: `table full` (nf_conntrack_core.c: every new flow is dropped), `queue full` (nfnetlink_queue.c: the
            program that gives verdicts is too slow), `firewall` (a rule logged a DNS packet, with a prefix that says
            it refuses it).
    """

    number: int
    what: str


@dataclass(frozen=True)
class KernelLog:
    """What a log says.

    Attributes:
        said: The lines that matter, but for those of the hook.
        queued: What the hook saw, each with the number of its line.
        problem: Why the hook's lines could not be read; None when they could, or there are none.
    """

    said: tuple[Said, ...]
    queued: tuple[tuple[int, hook.Packet], ...]
    problem: str | None = None


def is_log(text: str) -> bool:
    """Say whether most of a text's first lines are those of a kernel's log."""
    lines = [line for line in text[:20_000].splitlines() if line.strip()][:50]
    return bool(lines) and sum(bool(_MARKED.match(line)) for line in lines) * 2 > len(lines)


def parse(text: str) -> KernelLog:
    """Read a log; lines that do not matter are passed over, and nothing is an error."""
    said: list[Said] = []
    queued: list[tuple[int, hook.Packet]] = []
    problem = None
    for number, line in enumerate(text.split("\n"), 1):
        found = _LINE.match(line.rstrip())
        if found is None:
            continue
        said += _said(number, found["text"])
        try:
            queued += [(number, packet) for packet in _queued(found)]
        except UnreadableError as error:
            problem = str(error)
    return KernelLog(tuple(said), tuple(queued), problem)


def _queued(found: re.Match[str]) -> tuple[hook.Packet, ...]:
    """Read a line of the hook's; where the log does not have the time since the kernel started, it is 0."""
    if not found["text"].startswith("[nfqdns] "):
        return ()
    time = found["time"] or ""
    return hook.parse(f"[{time if time[:1].isdigit() else '0.0'}] {found['text']}\n")


def _said(number: int, text: str) -> Iterator[Said]:
    if _TABLE_FULL.search(text):
        yield Said(number, TABLE_FULL)
    if _QUEUE_FULL.search(text):
        yield Said(number, QUEUE_FULL)
    logged = _LOGGED.match(text)
    if logged and "53" in {logged["sport"], logged["dport"]} and _REFUSING.search(logged["prefix"]):
        yield Said(number, FIREWALL)
