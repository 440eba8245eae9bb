"""Parses an RPM's headers: its signatures, the region that each covers, and its metadata.

Format: https://rpm-software-management.github.io/rpm/manual/format.html; tag numbers from rpmtag.h.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LEAD = b"\xed\xab\xee\xdb"
"""Magic bytes of an RPM."""

_LEAD_BYTES = 96

_MAGIC = b"\x8e\xad\xe8\x01"
"""Magic number and version of a header."""

_PREFIX_BYTES = 16
"""Magic number, version, four reserved bytes, number of entries, size of data in bytes."""

_ENTRY = struct.Struct(">IIII")
"""Tag, type, offset, count."""

_SIGNATURE_HEADER_ALIGNMENT = 8

_MOST_ENTRIES, _MOST_DATA_BYTES = 0xFFFF, 0x0FFFFFFF
"""rpm's own limits: hdrblobInit in lib/header.c (HEADER_TAGS_MAX, HEADER_DATA_MAX)."""

_OVER_ALL = (1002, 1005)
"""In the signature header: RPMSIGTAG_PGP and RPMSIGTAG_GPG, over header and payload."""

_OVER_HEADER = (268, 267)
"""In the signature header: RPMSIGTAG_RSA and RPMSIGTAG_DSA, over the header only."""

_NAME, _VERSION, _RELEASE, _ARCHITECTURE = 1000, 1001, 1002, 1022
_REQUIRES = 1049
_FILES = (1117, 1027)
"""RPMTAG_BASENAMES and its predecessor, RPMTAG_OLDFILENAMES."""
_PAYLOAD_DIGESTS, _PAYLOAD_ALGORITHM = 5092, 5093
_SHA256 = 8
"""PGPHASHALGO_SHA256: RFC 4880, 9.4."""

_INT32, _STRING, _BINARY, _STRINGS, _TRANSLATED = 4, 6, 7, 8, 9

Entries = dict[int, tuple[int, int, int]]


class RpmFileError(ValueError):
    """The file is not an RPM, or is damaged before its payload."""


@dataclass(frozen=True)
class Rpm:
    """Headers of an RPM.

    Attributes:
        name: The package's name.
        version: Version and release.
        architecture: Architecture.
        requires: Names of its requirements.
        has_files: Whether it has files; a metapackage has only requirements.
        header_at: Offset of the header; `over_all` signs everything from there on.
        payload_at: Offset of the payload: the end of what `over_header` signs.
        over_all: OpenPGP signature over header and payload; None when there is none.
        over_header: OpenPGP signature over the header only; None when there is none.
        payload_sha256: The payload's SHA-256 in the header, in hexadecimal; None when there is none.
    """

    name: str
    version: str
    architecture: str
    requires: tuple[str, ...]
    has_files: bool
    header_at: int
    payload_at: int
    over_all: bytes | None
    over_header: bytes | None
    payload_sha256: str | None


def read(path: Path) -> Rpm:
    """Parse an RPM's headers.

    Raises:
        UnreadableError: it is not an RPM, or is damaged there.
    """
    with path.open("rb") as file:

        def piece(size: int) -> bytes:
            content = file.read(size)
            if len(content) != size:
                raise RpmFileError("it is truncated")
            return content

        if not piece(_LEAD_BYTES).startswith(LEAD):
            raise RpmFileError("it is not an RPM")
        signatures = _Header(piece)
        padding = piece(-signatures.size % _SIGNATURE_HEADER_ALIGNMENT)
        if padding.strip(b"\0"):
            raise RpmFileError("there is data between its signatures and its header")
        header = _Header(piece)
    header_at = _LEAD_BYTES + signatures.size + len(padding)
    algorithm = header.number(_PAYLOAD_ALGORITHM)
    digests = header.strings(_PAYLOAD_DIGESTS)
    return Rpm(
        name=header.string(_NAME),
        version=f"{header.string(_VERSION)}-{header.string(_RELEASE)}",
        architecture=header.string(_ARCHITECTURE),
        requires=header.strings(_REQUIRES),
        has_files=header.has(_FILES),
        header_at=header_at,
        payload_at=header_at + header.size,
        over_all=signatures.first_binary(_OVER_ALL),
        over_header=signatures.first_binary(_OVER_HEADER),
        payload_sha256=digests[0] if digests and algorithm == _SHA256 else None,
    )


class _Header:
    """One header structure.

    Args:
        piece: Reads the given number of bytes from the file.
    """

    def __init__(self, piece: Callable[[int], bytes]) -> None:
        prefix = piece(_PREFIX_BYTES)
        if not prefix.startswith(_MAGIC):
            raise RpmFileError("it has no RPM header")
        count, size = struct.unpack(">II", prefix[8:])
        if count > _MOST_ENTRIES or size > _MOST_DATA_BYTES:
            raise RpmFileError("its header exceeds rpm's limits")
        entries = _ENTRY.iter_unpack(piece(count * _ENTRY.size))
        self._entries: Entries = {tag: (kind, offset, number) for tag, kind, offset, number in entries}
        self._data = piece(size)
        self.size = _PREFIX_BYTES + count * _ENTRY.size + size

    def has(self, tags: tuple[int, ...]) -> bool:
        """Return whether one of these tags is present."""
        return any(tag in self._entries for tag in tags)

    def string(self, tag: int) -> str:
        """Return a string; empty when there is none."""
        return next(iter(self.strings(tag)), "")

    def strings(self, tag: int) -> tuple[str, ...]:
        """Return a tag's strings; empty when there is no such tag."""
        kind, offset, count = self._entries.get(tag, (0, 0, 0))
        if kind not in {_STRING, _STRINGS, _TRANSLATED}:
            return ()
        if offset > len(self._data):
            raise RpmFileError("its header points beyond its end")
        strings = self._data[offset:].split(b"\0", count)
        if len(strings) <= count:
            raise RpmFileError("its header points beyond its end")
        return tuple(one.decode(errors="replace") for one in strings[:count])

    def number(self, tag: int) -> int | None:
        """Return a tag's first 32-bit number; None when there is no such tag."""
        kind, offset, count = self._entries.get(tag, (0, 0, 0))
        if kind != _INT32 or count < 1 or offset + 4 > len(self._data):
            return None
        return int.from_bytes(self._data[offset : offset + 4])

    def first_binary(self, tags: tuple[int, ...]) -> bytes | None:
        """Return the data of the first of these tags that is present; None when none is."""
        for tag in tags:
            kind, offset, count = self._entries.get(tag, (0, 0, 0))
            if kind == _BINARY and count and offset + count <= len(self._data):
                return self._data[offset : offset + count]
        return None
