"""Quotes from raw evidence: the exact line or packet that a sighting is based on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from lab.evidence import capture
from lab.evidence.errors import UnreadableError
from lab.evidence.packet_text import with_timestamp
from lab.foundation import regular

PCAP = ".pcap"


@dataclass(frozen=True)
class Quote:
    """One line or packet of a source, quoted.

    Attributes:
        source: The raw file's name.
        line: The line's number, from 1; of a capture, the packet's.
        text: The line; of a capture, the packet formatted as text.
    """

    source: str
    line: int
    text: str


class Quotes:
    """Access to single lines and packets of a trial's raw files; each file is read once.

    Args:
        directory: The trial's directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, dict[int, str]] = {}

    def get(self, source: str, line: int) -> Quote | None:
        """Return a line, or a packet of a capture; None when the file has no such line or packet."""
        if source not in self._files:
            self._files[source] = self._packets(source) if source.endswith(PCAP) else self._lines(source)
        text = self._files[source].get(line)
        return None if text is None else Quote(source, line, text)

    def name(self, source: str) -> str:
        """Return a source's file name in this trial: old recordings name the client's files `curl.*`."""
        older = source.replace("client.", "curl.")
        return older if not (self._directory / source).exists() and (self._directory / older).exists() else source

    def _lines(self, source: str) -> dict[int, str]:
        try:
            text = regular.text(self._directory / self.name(source))
        except OSError:
            return {}
        return dict(enumerate((line.rstrip() for line in text.split("\n")), 1))

    def _packets(self, source: str) -> dict[int, str]:
        try:
            packets = capture.parse(regular.read(self._directory / source))
        except (OSError, UnreadableError):
            return {}
        messages: dict[int, list[str]] = defaultdict(list)
        for packet in packets:
            messages[packet.number].append(with_timestamp(packet))
        # Over TCP one segment may complete several messages.
        return {number: "; ".join(texts) for number, texts in messages.items()}
