"""Opens named inputs: files, directories, archives, standard input; refuses endless files."""

from __future__ import annotations

import io
import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lab.evidence.errors import UnreadableError
from lab.evidence.intake import containers

FILE_MAX = 1 << 28
"""Maximum size of a file in bytes; a capture of this size contains millions of queries."""

FILES_MAX = 5000
"""Maximum number of files read from a directory."""

_PIECE = 1 << 20

_KERNEL_FILE_MAX = 1 << 24
_KERNEL_FILE_S = 5.0
"""Limits in bytes and seconds for files of /proc and /sys, which have no size."""

_ENDLESS = frozenset({"kmsg", "trace_pipe", "trace_pipe_raw", "kcore"})
"""Endless kernel files that appear as regular files."""

_DEPTH_MAX = 3
"""Maximum nesting: a compressed archive with compressed files in it."""

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Content:
    """The bytes of one file.

    Attributes:
        name: Its name for messages; for members of archives and directories with the path.
        data: The bytes.
        found_in: The named directory or archive that contains it; empty for a file that was named itself.
    """

    name: str
    data: bytes
    found_in: str = ""


@dataclass(frozen=True)
class Unopened:
    """An input that could not be opened.

    Attributes:
        name: Its name.
        why: The reason, in a few words.
        hint: What to do instead; may be empty.
    """

    name: str
    why: str
    hint: str = ""


def open_all(paths: Sequence[str]) -> Iterator[Content | Unopened]:
    """Open all named inputs in order, without duplicates."""
    for path in dict.fromkeys(paths):
        if path == STANDARD_INPUT or _is_own_pipe(path):
            yield from _standard_input(path)
        elif _is_directory(path):
            yield from _directory(path)
        else:
            yield from _file(path)


def _standard_input(name: str) -> Iterator[Content | Unopened]:
    if name == STANDARD_INPUT and sys.stdin is not None and sys.stdin.isatty():
        yield Unopened(name, "standard input is a terminal", "pipe something into it: tcpdump ... | lab diagnose -")
        return
    try:
        with _open(name) as file:
            data = _read_all(file)
    except (OSError, ValueError) as error:
        yield Unopened(name, f"it cannot be read: {error}")
        return
    yield from _content(name, data)


def _open(name: str) -> BinaryIO:
    return Path(name).open("rb") if name != STANDARD_INPUT else os.fdopen(os.dup(0), "rb")


def _is_own_pipe(path: str) -> bool:
    """Return whether a path is one of this process's pipes: /dev/stdin, /dev/fd/63 of `<(...)`."""
    try:
        return path.startswith(("/dev/stdin", "/dev/fd/", "/proc/self/fd/")) and Path(path).is_fifo()
    except (OSError, ValueError):
        return False


def _is_directory(path: str) -> bool:
    """Return whether a path is a directory; False for inaccessible paths, which `_file` refuses."""
    try:
        return bool(path) and Path(path).is_dir()
    except OSError:
        return False


def _directory(path: str) -> Iterator[Content | Unopened]:
    """Yield a directory's regular files; symbolic links are not followed."""
    count = 0
    for where, directories, names in os.walk(path, followlinks=False):
        directories.sort()
        for name in sorted(names):
            file = Path(where) / name
            if file.is_symlink() or not file.is_file():
                continue
            count += 1
            if count > FILES_MAX:
                yield Unopened(path, f"it has more than {FILES_MAX} files: the rest was not read", "name single files")
                return
            for item in _file(str(file)):
                yield Content(item.name, item.data, path) if isinstance(item, Content) else item


def _file(path: str) -> Iterator[Content | Unopened]:
    if not path:
        yield Unopened("''", "its name is empty", "check whether a shell variable is set")
        return
    try:
        data = _read_bytes(path)
    except UnreadableError as error:
        yield Unopened(path, str(error))
    except (OSError, ValueError) as error:
        yield Unopened(path, getattr(error, "strerror", None) or "invalid name")
    else:
        yield from _content(path, data)


def _read_bytes(path: str) -> bytes:
    """Read a file.

    Raises:
        UnreadableError: it is not a regular file, or is endless.
        OSError: it cannot be read.
    """
    about = Path(path).stat()
    if not stat.S_ISREG(about.st_mode):
        raise UnreadableError(f"it is {_describe_type(about.st_mode)}, not a file")
    if Path(path).name in _ENDLESS and about.st_size == 0:
        raise UnreadableError("it is an endless kernel file: read it with dmesg, or with cat for a while")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        return _kernel_file(file.fileno()) if about.st_size == 0 else _read_all(file)


def _read_all(file: io.RawIOBase | BinaryIO) -> bytes:
    """Read a file up to one byte beyond the limit; in pieces, since a read takes the memory of what it asks for."""
    data = bytearray()
    while len(data) <= FILE_MAX and (piece := file.read(min(_PIECE, FILE_MAX + 1 - len(data)))):
        data += piece
    return bytes(data)


def _kernel_file(descriptor: int) -> bytes:
    """Read a kernel file without a size, within the limits."""
    content, until = bytearray(), time.monotonic() + _KERNEL_FILE_S
    while len(content) < _KERNEL_FILE_MAX and time.monotonic() < until:
        try:
            part = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            break
        if not part:
            break
        content += part
    return bytes(content)


def _describe_type(mode: int) -> str:
    for test, words in (
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISDIR, "a directory"),
    ):
        if test(mode):
            return words
    return "something else"


def _content(name: str, data: bytes, depth: int = 0, found_in: str = "") -> Iterator[Content | Unopened]:
    """Yield a file's content, unpacked if it is packed."""
    if len(data) > FILE_MAX:
        yield Unopened(
            name,
            f"it has more than {FILE_MAX >> 20} MB",
            "keep only DNS and ICMP: tcpdump -r FILE -w SMALLER 'port 53 or icmp or icmp6'",
        )
        return
    try:
        if depth < _DEPTH_MAX and containers.is_compressed(data):
            yield from _content(name, containers.unpack(data), depth + 1, found_in)
        elif depth < _DEPTH_MAX and containers.is_archive(data):
            for member, content in containers.iter_members(data):
                yield from _content(f"{name}/{member}", content, depth + 1, found_in or name)
        else:
            yield Content(name, data, found_in)
    except UnreadableError as error:
        yield Unopened(name, str(error))
