"""DNS messages in a TCP stream: each is preceded by its length in two bytes (RFC 1035, 4.2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_LENGTH_BYTES = 2


@dataclass(frozen=True)
class PartialBytes:
    """Bytes of which some are unknown: these are None."""

    data: tuple[int | None, ...]

    @classmethod
    def join(cls, parts: Iterable[tuple[bytes, bool]], length: int) -> PartialBytes:
        """Join parts, each with a flag whether it was truncated; `length` is the total number of bytes.

        Everything after the first truncated part is at an unknown offset, and counts as unknown.
        """
        known = b""
        for data, is_cut in parts:
            known += data
            if is_cut:
                break
        known = known[:length]
        # No message is longer than its length field can express.
        unknown = min(length - len(known), 1 << 16)
        return cls((*known, *(None,) * unknown))

    def known_prefix(self) -> bytes:
        """Return the bytes before the first unknown one."""
        return _known_prefix(self.data)


@dataclass
class Stream:
    """One direction of a connection."""

    pending: list[int | None] = field(default_factory=list)
    is_lost: bool = False

    def take(self, chunk: PartialBytes) -> Iterator[bytes]:
        """Add the next bytes and yield the known prefix of each message that they complete."""
        self.pending += chunk.data
        while not self.is_lost and len(self.pending) >= _LENGTH_BYTES:
            high, low = self.pending[:_LENGTH_BYTES]
            if high is None or low is None:
                self.is_lost = True  # the start of the next message is unknown
                return
            end = _LENGTH_BYTES + (high << 8 | low)
            if len(self.pending) < end:
                return
            message = self.pending[_LENGTH_BYTES:end]
            del self.pending[:end]
            yield _known_prefix(message)


def _known_prefix(data: Iterable[int | None]) -> bytes:
    known = bytearray()
    for byte in data:
        if byte is None:
            break
        known.append(byte)
    return bytes(known)
