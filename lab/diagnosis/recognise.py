"""Detects file types from content: names are unreliable, and one file may contain several pasted texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from lab.diagnosis.kinds import KINDS, READERS
from lab.diagnosis.material import (
    Capture,
    Material,
    Nothing,
    Unknown,
    Unread,
)
from lab.evidence import (
    capture,
    frames,
    refusals,
)
from lab.evidence.errors import UnreadableError
from lab.evidence.intake import segments, text
from lab.evidence.intake.sources import Content, Unopened

KNOWN = (
    "a pcap or pcapng; the text of tcpdump, tshark, strace, conntrack -S, -L or -E, /proc/net/stat/nf_conntrack, "
    "/proc/net/netfilter/nfnetlink_queue, dmesg, journalctl, dig, curl -w, perf, pwru, stap, "
    "iptables-save, nft list ruleset; resolv.conf"
)
"""File types that can be read, for messages."""

UNREAD_MAX = 100
"""Most unrecognised parts listed; a file with more is mostly something else."""

MESSAGES_MAX = 100_000
"""Most DNS messages followed, to bound memory: far fewer suffice to see a stall."""


def recognise(name: str, data: bytes) -> tuple[Material, ...]:
    """Parse a file into its recognised and unrecognised parts.

    Args:
        name: File name for messages.
        data: Its content, unpacked.
    """
    if not data.strip():
        return (Nothing(name, "it is empty"),)
    try:
        return (_capture(name, data),) if frames.is_capture(data) else _text(name, data)
    except UnreadableError as error:
        return (Unknown(name, str(error)),)


def read_all(contents: Iterable[Content | Unopened]) -> Iterator[Material]:
    """Parse all opened files; unrecognised members of directories and archives are only counted."""
    passed: dict[str, int] = {}
    for content in contents:
        if isinstance(content, Unopened):
            yield Unknown(content.name, content.why, content.hint)
            continue
        material = recognise(content.name, content.data)
        if content.found_in and all(isinstance(each, Unknown | Nothing) for each in material):
            passed[content.found_in] = passed.get(content.found_in, 0) + 1
            continue
        yield from (each for each in material if not (content.found_in and isinstance(each, Unread)))
    for name, count in passed.items():
        yield Unknown(name, f"{count} of its files have no content that is recognised")


def _capture(name: str, data: bytes) -> Capture:
    packets = capture.parse(data, MESSAGES_MAX)
    frames_count, first_s, last_s = 0, 0.0, 0.0
    for frame in frames.read(data):
        first_s = frame.time_s if not frames_count else min(first_s, frame.time_s)
        last_s = frame.time_s if not frames_count else max(last_s, frame.time_s)
        frames_count += 1
    last_s = max(last_s, frames.read_end_s(data) or last_s)
    snapped = sum(packet.snapped and (packet.message is None or packet.message.qtype is None) for packet in packets)
    filtered = frames.read_filters(data)
    return Capture(name, packets, refusals.parse(data), frames_count, first_s, last_s, snapped, filtered=filtered)


def _text(name: str, data: bytes) -> tuple[Material, ...]:
    lines = text.split_lines(data)
    sections = segments.sort(lines, KINDS)
    material: list[Material] = []
    unread = list(islice(sections.unread(), UNREAD_MAX))
    for kind in KINDS:
        for part in sections.parts(kind):
            try:
                read = tuple(READERS[kind.name](name, part))
            except UnreadableError as error:
                read = (Unknown(name, str(error)),)
            material += read
            # Damaged lines that look like a kind's.
            unread += [
                segments.UnreadLines(line.number, line.last, line.text) for line in islice(part, 0 if read else 1)
            ]
    if not material:
        return (Unknown(name, "nothing in it is recognised", f"what can be read: {KNOWN}"),)
    ordered = tuple(sorted(unread, key=lambda part: part.first))
    return (*material, Unread(name, ordered)) if ordered else tuple(material)
