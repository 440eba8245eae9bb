"""Unpacks compressed files and archives in memory, with size limits, never to disk."""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from lab.evidence.errors import UnreadableError
from lab.foundation.later import Later

if TYPE_CHECKING:
    import zstandard
else:
    zstandard = Later("zstandard")

UNPACKED_MAX = 1 << 26
"""Maximum unpacked size of one compressed file, or of one member of an archive, in bytes."""

ARCHIVE_MAX = 1 << 30
"""Maximum size of all members of an archive together, in bytes; a sosreport has some hundred megabytes."""

MEMBERS_MAX = 20_000
"""Maximum number of members; a sosreport has some thousand files."""

_STEP = 1 << 16
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
"""Magic of POSIX and GNU archives, see tar(5)."""

_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(OSError, EOFError, RuntimeError, ValueError, LookupError, OverflowError),
)
"""Exceptions of Python's modules on damaged archives; RuntimeError for an unsupported compression method."""

_ZIP = b"PK\x03\x04"


class _Zlib:
    """A gzip decompressor with the interface of bz2's and lzma's decompressors."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self.unused_data = b""
        self.eof = False
        self.needs_input = True
        self._rest = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        content = self._inner.decompress(self._rest + data, max_length)
        self._rest, self.eof, self.unused_data = self._inner.unconsumed_tail, self._inner.eof, self._inner.unused_data
        self.needs_input = not self._rest
        return content


_COMPRESSIONS: dict[bytes, Callable[[], _Zlib | bz2.BZ2Decompressor | lzma.LZMADecompressor]] = {
    b"\x1f\x8b": _Zlib,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lambda: lzma.LZMADecompressor(memlimit=1 << 27),
}
_ZSTD = b"\x28\xb5\x2f\xfd"


def is_compressed(data: bytes) -> bool:
    """Return whether data begins with the magic of gzip, bzip2, xz or zstd."""
    return data.startswith((*_COMPRESSIONS, _ZSTD))


def unpack(data: bytes) -> bytes:
    """Unpack a compressed file; of a truncated one return the part that can be unpacked.

    Raises:
        UnreadableError: the file is damaged, or unpacks to more than UNPACKED_MAX bytes.
    """
    content = bytearray()
    try:
        for part in _zstd(data) if data.startswith(_ZSTD) else _parts(data):
            content += part
            if len(content) > UNPACKED_MAX:
                raise UnreadableError(f"it contains more than {UNPACKED_MAX >> 20} MB: unpack it first")
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, ValueError) as error:
        if isinstance(error, UnreadableError):
            raise
        if not content:
            raise UnreadableError(f"its compression is damaged: {error}") from error
    return bytes(content)


def _parts(data: bytes) -> Iterator[bytes]:
    """Unpack concatenated compressed streams, as in appended logs."""
    make = next(make for begin, make in _COMPRESSIONS.items() if data.startswith(begin))
    inner, view, at = make(), memoryview(data), 0
    while True:
        step = b""
        if inner.needs_input:
            step = bytes(view[at : at + _STEP])
            at += len(step)
            if not step:
                return
        yield inner.decompress(step, _STEP * 16)
        if inner.eof:
            at -= len(inner.unused_data)
            if not any(bytes(view[at : at + 2]).startswith(begin[:2]) for begin in _COMPRESSIONS):
                return
            inner = make()


def _zstd(data: bytes) -> Iterator[bytes]:
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data, read_across_frames=True)
    while part := reader.read(_STEP * 16):
        yield part


def is_archive(data: bytes) -> bool:
    """Return whether data begins with the magic of a tar or a zip archive."""
    return data.startswith(_ZIP) or data[_TAR_MAGIC_AT : _TAR_MAGIC_AT + len(_TAR_MAGIC)] == _TAR_MAGIC


def iter_members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each regular file of an archive; links and devices are skipped.

    Raises:
        UnreadableError: the archive is damaged, or too large.
    """
    total = 0
    try:
        for number, (name, size, read) in enumerate(_of_zip(data) if data.startswith(_ZIP) else _of_tar(data)):
            total += size
            _check(number, total)
            if size <= UNPACKED_MAX:
                yield name, read()
    except UnreadableError:
        raise
    except _DAMAGE as error:
        raise UnreadableError(f"the archive is damaged: {error}") from error


def _check(number: int, total: int) -> None:
    if number >= MEMBERS_MAX or total > ARCHIVE_MAX:
        raise UnreadableError(f"it contains more than {MEMBERS_MAX} files or {ARCHIVE_MAX >> 20} MB")


_Member = tuple[str, int, Callable[[], bytes]]


def _of_tar(data: bytes) -> Iterator[_Member]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            if member.isreg():
                yield member.name, member.size, partial(_read_content, archive, member)


def _read_content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""


def _of_zip(data: bytes) -> Iterator[_Member]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            if not member.is_dir() and not member.flag_bits & 1:  # skip encrypted members
                yield member.filename, member.file_size, partial(_read_limited, archive, member)


def _read_limited(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Read a member, at most the size in its header, which may be wrong."""
    with archive.open(member) as file:
        return file.read(member.file_size)
