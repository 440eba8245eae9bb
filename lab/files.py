"""Files that are whole or not there, and locks that say who holds them."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lab.errors import BrokenEnvironment
from lab.work import Work


def write_whole(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a file so that a crash at any moment leaves either the old one or the new one whole.

    Args:
        path: The file; its directory is made when missing.
        content: What it shall hold.
        mode: Its permissions; it never exists with wider ones.
    """
    with _unfinished(path, content, mode) as temporary:
        temporary.replace(path)


def write_once(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a file whole unless it is there: of several who do so at once, one wins and the others change nothing."""
    with _unfinished(path, content, mode) as temporary, contextlib.suppress(FileExistsError):
        path.hardlink_to(temporary)


@contextmanager
def _unfinished(path: Path, content: str | bytes, mode: int) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Give a directory to be filled, which takes its place at the end: whole, or not there at all.

    Args:
        path: Where it goes; nothing is there then. Its own directory is made when missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=path.parent))
    try:
        yield unfinished
        unfinished.chmod(0o755)
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def require_space(directory: Path, needed_mb: int) -> None:
    """Make sure that a directory has room.

    Raises:
        BrokenEnvironment: its file system has less than `needed_mb` MB free.
    """
    directory.mkdir(parents=True, exist_ok=True)
    free_mb = shutil.disk_usage(directory).free // 1_000_000
    if free_mb < needed_mb:
        raise BrokenEnvironment(
            f"no space: {directory} has {free_mb} MB free, {needed_mb} MB are needed",
            hint="free some space, or set LAB_CACHE and LAB_HOME to directories that have it",
        )


@contextmanager
def locked(path: Path, what: str, work: Work, bound_s: float = 60.0) -> Iterator[None]:
    """Hold a lock; while another process has it, say so and wait.

    Args:
        path: The lock file; it stays, as removing one is a race.
        what: What the lock guards, for messages.
        work: Told that it waits; its cancellation ends the waiting.
        bound_s: How long to wait, in seconds.

    Raises:
        BrokenEnvironment: the other process still had it after `bound_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, blocking=False, thread_local=False)
    # Beside the lock, since opening a lock file empties it.
    holder_file = path.with_suffix(".holder")
    if not _acquired(lock):
        holder = _text(holder_file) or "another lab command"
        with work.step(f"waiting for {holder}, which is using {what}"):
            if not work.wait_until(lambda: _acquired(lock), bound_s):
                raise BrokenEnvironment(f"{what} is in use by {holder}", hint="wait until it has ended, then try again")
    try:
        holder_file.write_text(f"'lab {' '.join(sys.argv[1:])}' (process {os.getpid()})\n")
        yield
    finally:
        holder_file.unlink(missing_ok=True)
        lock.release()


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire()
    except Timeout:
        return False
    return True
