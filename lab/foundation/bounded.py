"""Decompresses archives that are not trusted, up to limits of size and memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import zstandard

from lab.foundation.tar import Readable, UnsafeArchiveError

ZSTANDARD = b"\x28\xb5\x2f\xfd"
"""The magic number of a Zstandard frame (RFC 8878, 3.1.1)."""

GZIP = b"\x1f\x8b"
"""The magic number of a gzip member (RFC 1952, 2.3.1)."""

FREE_OF_RATIO = 16_000_000
"""This many bytes are unpacked at any ratio of compression."""

WINDOW_BYTES = 1 << 27
"""Maximum window of a Zstandard frame, which takes as much memory."""


class Bounded:
    """Limits how many bytes are read from a source.

    Args:
        source: The decompressed bytes.
        most: Maximum number of bytes.
    """

    def __init__(self, source: Readable, most: int) -> None:
        self._source = source
        self._left = most
        self._most = most

    def read(self, size: int, /) -> bytes:
        """Return at most this many bytes; none at the end.

        Raises:
            UnsafeArchiveError: the bound is reached, or the archive is damaged.
        """
        try:
            piece = self._source.read(size)
        except (zstandard.ZstdError, zlib.error, gzip.BadGzipFile, EOFError) as error:
            raise UnsafeArchiveError(f"it is damaged or cut off: {error}") from error
        self._left -= len(piece)
        if self._left < 0:
            raise UnsafeArchiveError(f"it would unpack to more than {self._most // 1_000_000} MB")
        return piece


@contextmanager
def opened(path: Path, most_bytes: int, ratio: int | None = None) -> Iterator[Bounded]:
    """Return the decompressed content of an archive.

    Args:
        path: The archive: Zstandard or gzip, determined by its content.
        most_bytes: Maximum size of the content.
        ratio: Maximum ratio of compression; None for any.

    Raises:
        UnsafeArchiveError: it is neither Zstandard nor gzip.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        magic = file.read(len(ZSTANDARD))
        file.seek(0)
        most = most_bytes if ratio is None else min(most_bytes, FREE_OF_RATIO + ratio * path.stat().st_size)
        if magic == ZSTANDARD:
            yield Bounded(_unpacked(file), most)
        elif magic.startswith(GZIP):
            with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                yield Bounded(unpacked, most)
        else:
            raise UnsafeArchiveError("it is neither compressed with Zstandard nor with gzip")


def _unpacked(file: IO[bytes]) -> Readable:
    reader: Readable = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).stream_reader(file)
    return reader
