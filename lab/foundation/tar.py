"""Writes and reads tar archives of plain files: the same files make the same archive, and no archive is trusted.

Only ustar headers (POSIX.1-1988) of regular files and directories are written or read: no links, no devices and no
extended headers, whose sizes cannot be verified.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Protocol

BLOCK = tarfile.BLOCKSIZE

_CHUNK = 1 << 16


class UnsafeArchiveError(ValueError):
    """An archive is damaged or has an entry that is not allowed; the message is one line."""


class Writable(Protocol):
    """A destination of bytes."""

    def write(self, data: bytes, /) -> int:
        """Write bytes."""


class Readable(Protocol):
    """A source of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most this many bytes; none at the end."""


@dataclass(frozen=True)
class ArchiveEntry:
    """A regular file, or a directory, of an archive.

    Attributes:
        name: Its path in the archive.
        size: Its size in bytes; None for a directory.
    """

    name: str
    size: int | None


def header(name: str, size: int | None, mtime_s: int) -> bytes:
    """Return the header of a file or directory; it does not depend on the host or the user.

    Args:
        name: Its path in the archive.
        size: Its size in bytes; None for a directory.
        mtime_s: Time of its last change, in seconds since 1970.

    Raises:
        UnsafeArchiveError: the name or the size does not fit.
    """
    entry = tarfile.TarInfo(name)
    entry.mtime, entry.mode = mtime_s, 0o644
    if size is None:
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    else:
        entry.size = size
    try:
        return entry.tobuf(tarfile.USTAR_FORMAT, encoding="ascii", errors="strict")
    except (ValueError, UnicodeEncodeError) as error:
        raise UnsafeArchiveError(f"{name!r} does not fit into an archive: {error}") from error


def padding(size: int) -> bytes:
    """Return the padding after a file of this many bytes."""
    return bytes(-size % BLOCK)


END = bytes(2 * BLOCK)
"""The end of an archive."""


class TarReader:
    """Reads an archive once, from beginning to end.

    Args:
        source: Its bytes.
        most_bytes: Maximum size of a file in it, in bytes.
    """

    def __init__(self, source: Readable, most_bytes: int) -> None:
        self._source = source
        self._most_bytes = most_bytes
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[ArchiveEntry]:
        """Yield each entry; unread content of a file is skipped.

        Raises:
            UnsafeArchiveError: the archive is damaged, or has an entry that is neither file nor directory.
        """
        while True:
            for _ in self.content():
                pass
            self._exactly(self._padding)
            self._padding = 0
            block = self._exactly(BLOCK)
            if not any(block):
                self._end()
                return
            yield self._entry(block)

    def content(self) -> Iterator[bytes]:
        """Yield the rest of the current file, in pieces.

        Raises:
            UnsafeArchiveError: the archive is cut off.
        """
        while self._left:
            piece = self._source.read(min(self._left, _CHUNK))
            if not piece:
                raise UnsafeArchiveError("it is cut off")
            self._left -= len(piece)
            yield piece

    def _entry(self, block: bytes) -> ArchiveEntry:
        try:
            entry = tarfile.TarInfo.frombuf(block, encoding="ascii", errors="strict")
        except (tarfile.TarError, UnicodeDecodeError, ValueError) as error:
            raise UnsafeArchiveError(f"it is damaged, or no tar archive: {error}") from error
        if entry.isdir():
            if entry.size:
                raise UnsafeArchiveError(f"directory {entry.name!r} has a size")
            return ArchiveEntry(entry.name, None)
        if entry.type not in {tarfile.REGTYPE, tarfile.AREGTYPE}:
            raise UnsafeArchiveError(f"{entry.name!r} is neither a plain file nor a directory")
        if not 0 <= entry.size <= self._most_bytes:
            raise UnsafeArchiveError(f"{entry.name!r} has {entry.size} bytes, more than {self._most_bytes}")
        self._left, self._padding = entry.size, len(padding(entry.size))
        return ArchiveEntry(entry.name, entry.size)

    def _end(self) -> None:
        """Read to the end, where only zeros may follow; this also verifies the compression's checksums."""
        while piece := self._source.read(_CHUNK):
            if any(piece):
                raise UnsafeArchiveError("something stands behind its end")

    def _exactly(self, size: int) -> bytes:
        whole = io.BytesIO()
        while whole.tell() < size:
            piece = self._source.read(size - whole.tell())
            if not piece:
                raise UnsafeArchiveError("it is cut off")
            whole.write(piece)
        return whole.getvalue()


def copy(source: IO[bytes], target: Writable, size: int) -> None:
    """Copy a file of exactly this many bytes.

    Raises:
        UnsafeArchiveError: it has become shorter.
    """
    left = size
    while left:
        piece = source.read(min(left, _CHUNK))
        if not piece:
            raise UnsafeArchiveError("a file became shorter while it was read")
        target.write(piece)
        left -= len(piece)
