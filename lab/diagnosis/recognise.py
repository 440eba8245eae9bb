"""What kind of file something is, by its content alone: names lie."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lab.diagnosis.material import (
    Calls,
    Capture,
    Denied,
    Log,
    Material,
    Nothing,
    Options,
    Reading,
    Traced,
    Verdicts,
)
from lab.errors import BadInput
from lab.evidence import (
    capture,
    counters,
    frames,
    kernel_log,
    refusals,
    resolv_conf,
    resolver,
    strace,
    trace,
    verdict_log,
)
from lab.evidence.errors import UnreadableError

_COMPRESSED = {b"\x1f\x8b": "gunzip", b"\xfd7zXZ": "unxz", b"\x28\xb5\x2f\xfd": "unzstd", b"BZh": "bunzip2"}
_DENIED = re.compile(r"operation not permitted|must be root|cap_net_admin|permission denied", re.IGNORECASE)
_STAT = re.compile(r"^entries\s+\w+.*\binsert_failed\b", re.ASCII)
_TOOL = re.compile(r"^cpu=(\d{1,6})\s.*\binsert_failed=\d+", re.ASCII)
_OLD, _OLD_PAIR = re.compile(r"^entries\s+\d+\s*$", re.ASCII), re.compile(r"^[a-z_]+\s+\d+\s*$", re.ASCII)
_COUNT = re.compile(r"[0-9a-f]{8,16}", re.ASCII)
_FORKS = re.compile(r"\b(?:clone3?|v?fork)\(", re.ASCII)

KNOWN = "a pcap or pcapng, strace's output, conntrack -S, /proc/net/stat/nf_conntrack, dmesg, resolv.conf"
"""What can be read, for people; and what only the lab makes: kernel traces, the verdict program's log."""


def recognise(name: str, data: bytes) -> tuple[Material, ...]:
    """Read a file: most hold one thing, but counters may have been written into one file twice.

    Args:
        name: What it is called, for messages.
        data: Its content.

    Raises:
        BadInput: it is nothing that is known here, or damaged from its beginning.
    """
    if not data.strip():
        return (Nothing(name, "it is empty"),)
    for begin, program in _COMPRESSED.items():
        if data.startswith(begin):
            raise BadInput(f"{name} is compressed", hint=f"unpack it first: {program}")
    try:
        found = _capture(name, data) if frames.is_capture(data) else _text(name, data)
    except UnreadableError as error:
        raise BadInput(f"{name} cannot be read: {error}") from error
    if not found:
        raise BadInput(f"{name} is nothing that is known here", hint=f"what can be read: {KNOWN}")
    return found


def _capture(name: str, data: bytes) -> tuple[Material, ...]:
    packets = capture.parse(data)
    times_s = [frame.time_s for frame in frames.read(data)]
    first_s, last_s = (min(times_s), max(times_s)) if times_s else (0.0, 0.0)
    snapped = sum(packet.snapped and (packet.message is None or packet.message.qtype is None) for packet in packets)
    return (Capture(name, packets, refusals.parse(data), len(times_s), first_s, last_s, snapped),)


def _text(name: str, data: bytes) -> tuple[Material, ...]:
    text = data.decode("utf-8", errors="replace").replace("\r\n", "\n")
    lines = text.splitlines()
    if readings := _readings(name, lines):
        return readings
    found = _own(name, text)
    if found is None and "conntrack" in text[:500] and _DENIED.search(text[:500]):
        found = Denied(name, lines[0].strip())
    elif found is None and resolv_conf.is_resolv_conf(text):
        found = Options(name, resolv_conf.parse(text))
    elif found is None and kernel_log.is_log(text):
        found = Log(name, kernel_log.parse(text), tuple(text.split("\n")))
    elif found is None and (clock := strace.clock_of(text)) is not None:
        found = _calls(name, text, clock)
    return () if found is None else (found,)


def _own(name: str, text: str) -> Material | None:
    """Read what the lab's own programs leave, and tracefs."""
    if text.startswith("# tracer:"):
        return Traced(name, trace.parse(text))
    if text.startswith('{"event"'):
        return Verdicts(name, verdict_log.parse(text))
    return None


def _calls(name: str, text: str, clock: strace.Clock) -> Calls:
    calls = strace.parse(text, clock)
    return Calls(
        name,
        clock,
        threads=any(call.pid is not None for call in calls),
        forks=bool(_FORKS.search(text)),
        events=resolver.events(calls),
        refusals=resolver.refusals(calls),
        lines=tuple(text.split("\n")),
    )


def _readings(name: str, lines: list[str]) -> tuple[Reading, ...]:
    """Give each reading of counters in a file: there may be several, one behind the other."""
    begins = tuple(_begins(lines))
    found = []
    for number, end in zip(begins, [*begins[1:], len(lines)], strict=False):
        form = "stat" if _STAT.match(lines[number]) else "tool"
        part = [line for line in lines[number:end] if _belongs(line, form)]
        read = counters.stat if form == "stat" else counters.tool
        found.append(Reading(name, form, read("\n".join(part)), number + 1))
    return tuple(found)


def _begins(lines: list[str]) -> Iterator[int]:
    """Give where readings begin: at the line of names, or where processors are counted from the beginning again."""
    before = None
    for number, line in enumerate(lines):
        told = _TOOL.match(line)
        if _STAT.match(line) or _OLD.match(line) or (told and (before is None or int(told[1]) <= before)):
            yield number
        before = int(told[1]) if told else None


def _belongs(line: str, form: str) -> bool:
    """Tell the lines of a reading from what stands around it, such as a shell's prompt."""
    if form == "tool":
        return bool(_TOOL.match(line) or _OLD_PAIR.match(line))
    words = line.split()
    return bool(_STAT.match(line)) or (len(words) > 1 and all(_COUNT.fullmatch(word) for word in words))
