"""Reads regular files that are not trusted; links are not followed."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class NotRegularError(OSError):
    """A path is a link, a device or another special file; the message is one line."""


def read(path: Path) -> bytes:
    """Read a regular file; a link is not followed, and a pipe does not block.

    Raises:
        NotRegularError: it is not a regular file.
        OSError: it does not exist, or cannot be read.
    """
    if path.is_symlink():
        raise NotRegularError(f"{path.name} is a symbolic link, which is not followed")
    # The flags refuse a link or a pipe that replaces the file after this check.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NotRegularError(f"{path.name} is no regular file")
        return file.read()


def text(path: Path) -> str:
    """Read a regular file as text, with line feeds as ends of lines; bytes that are not UTF-8 are replaced.

    Raises:
        NotRegularError: it is not a regular file.
        OSError: it does not exist, or cannot be read.
    """
    decoded = read(path).decode(encoding="utf-8", errors="replace")
    return decoded.replace("\r\n", "\n").replace("\r", "\n")


def is_directory(path: Path) -> bool:
    """Return whether a path is a directory and not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
