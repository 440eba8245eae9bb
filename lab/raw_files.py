"""The raw files of trials, as a guest sends them while it makes them: one tar archive that grows.

A trial's beginning is told by an entry `begun/0001/`; its files come together, each as `0001/NAME`, and behind them
`0001/` says that they are all there.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from lab.errors import BrokenEnvironment

MAX_FILE_BYTES = 16_000_000
"""A raw file of a trial is some kilobytes; a guest that sends more than this is not believed."""

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
        number: Which.
        files: Its raw files, by plain names.
    """

    number: int
    files: Mapping[str, bytes]


def read(archive: IO[bytes] | io.RawIOBase) -> Iterator[Begun | Ended]:
    """Give each trial as soon as it is there; plain files with plain names only, since a guest may send anything.

    Args:
        archive: A tar archive. It is read no further than what is given needs.

    Raises:
        BrokenEnvironment: it is damaged, or a file is too long to be believed.
    """
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(
            fileobj=archive,
            mode="r|",
        ) as tar:
            for member in tar:
                # What was read is not kept: a run may have a thousand trials.
                tar.members = []  # type: ignore[attr-defined]
                found = _ENTRY.fullmatch(member.name)
                if found is None:
                    continue
                if member.isfile() and found["name"] and not found["begun"]:
                    files[found["name"]] = _content(tar, member)
                elif member.isdir() and found["begun"]:
                    yield Begun(int(found["number"]))
                elif member.isdir() and not found["name"]:
                    yield Ended(int(found["number"]), files)
                    files = {}
    except tarfile.TarError as error:
        raise BrokenEnvironment(f"what the guest sent of its trials is damaged: {error}") from error


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > MAX_FILE_BYTES:
        raise tarfile.ReadError(f"{member.name} has {member.size} bytes, more than {MAX_FILE_BYTES}")
    content = tar.extractfile(member)
    return content.read() if content else b""
