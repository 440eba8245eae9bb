"""Reads the stream of trials from a guest: one tar archive, written while the trials run.

An entry `begun/0001/` marks the begin of a trial; its files follow as `0001/NAME`, and `0001/` marks the end of its
files.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from lab.foundation.errors import BrokenEnvironment

MAX_FILE_BYTES = 16_000_000
"""Maximum size of a raw file, usually some kilobytes; a larger file means that the stream is damaged."""

_ENTRY = re.compile(
    r"(?P<begun>begun/)?(?P<number>[0-9]{4,7})(?:/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,60}))?", re.ASCII
)


@dataclass(frozen=True)
class Begun:
    """A trial began."""

    number: int


@dataclass(frozen=True)
class Ended:
    """A trial ended.

    Attributes:
        number: The trial's number.
        files: Its raw files, by plain names.
    """

    number: int
    files: Mapping[str, bytes]


def read(archive: IO[bytes] | io.RawIOBase) -> Iterator[Begun | Ended]:
    """Yield each trial as soon as it is complete; only plain files with plain names are accepted from a guest.

    Args:
        archive: A tar archive; it is read only as far as needed.

    Raises:
        BrokenEnvironment: the archive is damaged, or a file is too large.
    """
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(
            fileobj=archive,
            mode="r|",
        ) as tar:
            for member in tar:
                # Do not keep read members: a run may have a thousand trials.
                tar.members = []  # type: ignore[attr-defined]
                match = _ENTRY.fullmatch(member.name)
                if match is None:
                    continue
                if member.isfile() and match["name"] and not match["begun"]:
                    files[match["name"]] = _content(tar, member)
                elif member.isdir() and match["begun"]:
                    yield Begun(int(match["number"]))
                elif member.isdir() and not match["name"]:
                    yield Ended(int(match["number"]), files)
                    files = {}
    except tarfile.TarError as error:
        raise BrokenEnvironment(f"the stream of trials from the guest is damaged: {error}") from error


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > MAX_FILE_BYTES:
        raise tarfile.ReadError(f"{member.name} has {member.size} bytes, more than {MAX_FILE_BYTES}")
    content = tar.extractfile(member)
    return content.read() if content else b""
