"""The raw evidence itself: the very line, or packet, that a sighting rests on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from lab.evidence import capture
from lab.evidence.capture import WirePacket
from lab.evidence.errors import UnreadableError

PCAP = ".pcap"


@dataclass(frozen=True)
class Quote:
    """Something a source says, as it stands there.

    Attributes:
        source: The raw file.
        line: The line's number, from 1; of a capture, the packet's.
        text: The line; of a capture, what is in the packet, in words.
    """

    source: str
    line: int
    text: str


class Quotes:
    """What stands in a trial's raw files.

    Args:
        directory: The trial's files.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, dict[int, str]] = {}

    def get(self, source: str, line: int) -> Quote | None:
        """Give a line, or a capture's packet; None when the file has no such."""
        if source not in self._files:
            self._files[source] = self._packets(source) if source.endswith(PCAP) else self._lines(source)
        text = self._files[source].get(line)
        return None if text is None else Quote(source, line, text)

    def name(self, source: str) -> str:
        """Give how a source's file is called here: the client's were called after curl once."""
        older = source.replace("client.", "curl.")
        return older if not (self._directory / source).exists() and (self._directory / older).exists() else source

    def _lines(self, source: str) -> dict[int, str]:
        try:
            text = (self._directory / self.name(source)).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return {}
        return dict(enumerate((line.rstrip() for line in text.split("\n")), 1))

    def _packets(self, source: str) -> dict[int, str]:
        try:
            packets = capture.parse((self._directory / source).read_bytes())
        except (OSError, UnreadableError):
            return {}
        found: dict[int, list[str]] = defaultdict(list)
        for packet in packets:
            found[packet.number].append(in_words(packet))
        # Over TCP, one segment may complete several messages.
        return {number: "; ".join(said) for number, said in found.items()}


def in_words(packet: WirePacket) -> str:
    """Give a captured packet as one line, in the manner of tcpdump(8) with -tt and -n."""
    flow, told = packet.flow, packet.message
    way = f"{packet.time_s:.6f} IP {flow.src}.{flow.sport} > {flow.dst}.{flow.dport}:"
    if told is None:
        return f"{way} {packet.protocol}, no DNS message"
    asked = f"{told.qtype or 'unknown'}? {told.name or 'unknown'}"
    return f"{way} {told.dns_id} {f'{told.rcode} ' if told.rcode else ''}{asked}"
