"""Writes files whose digest is known at their end, compressed with Zstandard."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import zstandard

from lab.foundation.tar import Writable


class Digesting:
    """A file that is written, with its digest.

    Args:
        file: Where it goes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """The digest of what was written."""
        return self._digest.hexdigest()

    def write(self, data: bytes, /) -> int:
        """Write bytes."""
        self._digest.update(data)
        self.size_bytes += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Hand on what is held back."""
        self._file.flush()


@contextmanager
def compressed(file: Digesting, level: int, threads: int = 0) -> Iterator[Writable]:
    """Return what compresses into a file.

    Args:
        file: Where it goes.
        level: Zstandard's level.
        threads: How many threads compress; 0 for this one, -1 for one for each processor.
    """
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, threads=threads)
    with compressor.stream_writer(cast("IO[bytes]", file), closefd=False) as archive:
        yield archive


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
