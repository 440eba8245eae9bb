"""Packs a run into one archive; the same run makes the same archive, byte for byte."""

from __future__ import annotations

import calendar
import gzip
import os
import stat
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from lab.foundation import tar
from lab.foundation.digesting import Digesting, compressed
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.files import whole_file
from lab.foundation.tar import Writable
from lab.runs import layout
from lab.runs.run import Run
from lab.runs.trial_stream import MAX_FILE_BYTES

SUFFIXES = (".tar.zst", ".tar.gz", ".tgz")
"""Suffixes of an archive's name, which select its compression."""

MOST_FILES = 2_000_000
"""Maximum number of files and directories in an archive."""

LEVEL_ZSTANDARD = 10
LEVEL_GZIP = 9


@dataclass(frozen=True)
class Packed:
    """An archive that was written.

    Attributes:
        sha256: The digest of the whole file.
        size_bytes: Its size.
        files: Number of files in it.
        left_out: Entries of the run's directory that were not packed: links, devices, and names that are not valid.
    """

    sha256: str
    size_bytes: int
    files: int
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _PackedFile:
    """An entry of a run's directory.

    Attributes:
        name: Its path, relative to the run's directory.
        is_directory: Whether it is a directory.
    """

    name: str
    is_directory: bool


def pack(directory: Path, run: Run, path: Path) -> Packed:
    """Write a run as an archive.

    Args:
        directory: The run's directory.
        run: Its description.
        path: The archive; it is written atomically.

    Raises:
        BadInput: the archive's name has no known suffix, or the run is too large or has a name that is too long.
        BrokenEnvironment: it cannot be written, or a file changes while it is read.
    """
    if not path.name.endswith(SUFFIXES):
        raise BadInput(f"{path.name} is no name for an archive", hint=f"end it with {' or '.join(SUFFIXES[:2])}")
    left_out: list[str] = []
    found = list(_below(directory, "", 0, left_out))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            digesting = Digesting(file)
            with _compressed(path.name, digesting) as archive:
                _write(archive, directory, run, found)
    except tar.UnsafeArchiveError as error:
        raise BadInput(f"run {run.id} cannot be exported: {error}") from error
    except OSError as error:
        raise BrokenEnvironment(f"{path} was not written: {error.strerror or error}") from error
    files = sum(not one.is_directory for one in found)
    return Packed(digesting.sha256, digesting.size_bytes, files, tuple(left_out))


def _below(directory: Path, name: str, depth: int, left_out: list[str]) -> Iterator[_PackedFile]:
    """Return the entries that are packed, sorted by name; a directory comes before its entries."""
    for path in sorted((directory / name).iterdir(), key=lambda path: path.name):
        own = f"{name}/{path.name}" if name else path.name
        mode = path.lstat().st_mode
        if path.name.startswith("."):
            continue  # a file that was not complete when the lab was killed
        if stat.S_ISREG(mode) and is_file_of_run(depth, path.name):
            yield _PackedFile(own, is_directory=False)
        elif stat.S_ISDIR(mode) and is_directory_of_run(depth, path.name):
            yield _PackedFile(own, is_directory=True)
            yield from _below(directory, own, depth + 1, left_out)
        else:
            left_out.append(own)


def is_directory_of_run(depth: int, name: str) -> bool:
    """Return whether a run has such a directory at this depth: of a machine, a scenario or a trial."""
    return layout.is_number(name) if depth == len(("machine", "scenario")) else depth <= 1 and layout.is_name(name)


def is_file_of_run(depth: int, name: str) -> bool:
    """Return whether a run has such a file at this depth: beside the machines, in a cell, or in a trial."""
    return depth in {0, 2, 3} and layout.is_name(name)


def _write(archive: Writable, directory: Path, run: Run, found: list[_PackedFile]) -> None:
    mtime_s = _mtime_s(run)
    if len(found) > MOST_FILES:
        raise tar.UnsafeArchiveError(f"it has {len(found)} files, more than {MOST_FILES}")
    archive.write(tar.header(run.id, None, mtime_s))
    for one in found:
        name = f"{run.id}/{one.name}"
        if one.is_directory:
            archive.write(tar.header(name, None, mtime_s))
            continue
        # A file that has been replaced by a link since it was listed is not followed.
        descriptor = os.open(directory / one.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            size = os.fstat(descriptor).st_size
            if size > MAX_FILE_BYTES:
                raise tar.UnsafeArchiveError(f"{one.name} has {size} bytes, more than {MAX_FILE_BYTES}")
            archive.write(tar.header(name, size, mtime_s))
            tar.copy(file, archive, size)
            archive.write(tar.padding(size))
    archive.write(tar.END)


def _mtime_s(run: Run) -> int:
    """Return the timestamp of every file in a run's archive: the run's start."""
    try:
        return max(0, calendar.timegm(time.strptime(run.started, "%Y-%m-%dT%H:%M:%SZ")))
    except (ValueError, OverflowError):
        return 0


def _compressed(name: str, file: Digesting) -> AbstractContextManager[Writable]:
    return compressed(file, LEVEL_ZSTANDARD) if name.endswith(".zst") else _gzip(file)


@contextmanager
def _gzip(file: Digesting) -> Iterator[Writable]:
    # Without the name and the time, which gzip would store.
    with gzip.GzipFile("", "wb", LEVEL_GZIP, cast("IO[bytes]", file), mtime=0) as archive:
        yield archive
