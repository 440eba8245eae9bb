"""A trial's raw files as lines a person can read: text as it is, a capture as tcpdump would print it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from lab.evidence import capture
from lab.evidence.capture import WirePacket

CAPTURE = ".pcap"

_UNPRINTABLE = re.compile(r"[^\x20-\x7e\t\u00a0-\uffff]")
"""What would do something to a terminal: a guest may have written anything."""


def lines(path: Path, only: re.Pattern[str] | None = None) -> tuple[str, ...]:
    """Give the lines of a raw file.

    Args:
        path: The file; one that ends in `.pcap` is read as a capture, a line for each DNS message.
        only: Leave out the lines in which this is not found.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableError: it is a capture that cannot be read.
    """
    if path.suffix == CAPTURE:
        found = [_packet(packet) for packet in capture.parse(path.read_bytes())]
    else:
        found = [_UNPRINTABLE.sub("?", line) for line in path.read_text(encoding="utf-8", errors="replace").split("\n")]
        found = found[:-1] if found[-1] == "" else found
    return tuple(line for line in found if only is None or only.search(line))


def names(directory: Path) -> Iterator[str]:
    """Name the raw files of a trial that hold something."""
    for path in sorted(directory.iterdir()):
        if path.is_file() and path.stat().st_size:
            yield path.name


def pattern(text: str) -> re.Pattern[str]:
    """Read a regular expression as people type it.

    Raises:
        ValueError: it is none; the message says why.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"'{text}' is no regular expression: {error}") from error


def _packet(packet: WirePacket) -> str:
    """Write a DNS message as tcpdump(8) does: time in UTC, addresses with ports, the id, and a query's type."""
    time = datetime.fromtimestamp(packet.time_s, UTC).strftime("%H:%M:%S.%f")
    flow = packet.flow
    way = f"{time} IP {flow.src}.{flow.sport} > {flow.dst}.{flow.dport}: {packet.protocol}"
    told = packet.message
    if told is None:
        return f"{way} too short for a DNS message"
    asked = f"{told.qtype or 'unknown'}? {told.name or 'unknown'}."
    return f"{way} {told.dns_id} {f'answer, {told.rcode}, to {asked}' if told.is_answer else asked}"
