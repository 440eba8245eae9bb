"""DNS messages in a stream: each has its length before it, in two bytes (RFC 1035, 4.2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_LENGTH_BYTES = 2


@dataclass(frozen=True)
class Shown:
    """Some bytes of which not all are shown: None stands for one that is not."""

    data: tuple[int | None, ...]

    @classmethod
    def of(cls, parts: Iterable[tuple[bytes, bool]], length: int) -> Shown:
        """Put parts together, each with whether more followed that is not shown; of all, `length` bytes count.

        Where a part but the last is cut, what follows stands at an unknown place, and is taken for not shown.
        """
        known = b""
        for data, is_cut in parts:
            known += data
            if is_cut:
                break
        known = known[:length]
        # No message is longer than its length can say.
        unknown = min(length - len(known), 1 << 16)
        return cls((*known, *(None,) * unknown))

    def beginning(self) -> bytes:
        """Give the bytes up to the first that is not shown."""
        return _beginning(self.data)


@dataclass
class Stream:
    """One direction of a connection."""

    pending: list[int | None] = field(default_factory=list)
    is_lost: bool = False

    def take(self, shown: Shown) -> Iterator[bytes]:
        """Take the next bytes; give the messages that they complete, each as far as it is shown."""
        self.pending += shown.data
        while not self.is_lost and len(self.pending) >= _LENGTH_BYTES:
            high, low = self.pending[:_LENGTH_BYTES]
            if high is None or low is None:
                self.is_lost = True  # nobody knows where the next message begins
                return
            end = _LENGTH_BYTES + (high << 8 | low)
            if len(self.pending) < end:
                return
            message = self.pending[_LENGTH_BYTES:end]
            del self.pending[:end]
            yield _beginning(message)


def _beginning(data: Iterable[int | None]) -> bytes:
    known = bytearray()
    for byte in data:
        if byte is None:
            break
        known.append(byte)
    return bytes(known)
