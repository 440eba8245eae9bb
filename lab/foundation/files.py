"""Atomic file writes, and locks that name their holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work


def entries(path: Path) -> list[str]:
    """Return what a list names: one entry a line, with comments."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def write_whole(path: Path, content: str | bytes, mode: int = 0o644, *, durable: bool = True) -> None:
    """Write a file atomically: after a crash either the old or the new content is complete.

    Args:
        path: The file; its directory is created if missing.
        content: New content.
        mode: Its permissions; it never exists with wider ones.
        durable: Whether it must be on the disk; otherwise a power failure may leave it empty.
    """
    with _unfinished(path, content, mode, durable=durable) as temporary:
        temporary.replace(path)


def write_once(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a file atomically unless it exists: of concurrent writers, one wins and the others change nothing."""
    with _unfinished(path, content, mode) as temporary, contextlib.suppress(FileExistsError):
        path.hardlink_to(temporary)


@contextmanager
def _unfinished(path: Path, content: str | bytes, mode: int, *, durable: bool = True) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.chmod(mode)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file to be written, which takes its place at the end: complete or absent.

    Args:
        path: Its path; its directory must exist.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Yield a directory to be filled, which is moved to its path at the end: complete or absent.

    Args:
        path: Its path, which must not exist. The parent directory is created if missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=path.parent))
    try:
        yield unfinished
        unfinished.chmod(0o755)
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def remove_oldest(directory: Path, kept: int) -> None:
    """Remove all but the most recently used entries of a directory."""
    newest_first = sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest_first[kept:]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def require_space(directory: Path, needed_mb: int) -> None:
    """Check the free space of a directory.

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
    """Hold a lock; report and wait while another process holds it.

    Args:
        path: The lock file; it is not removed, since that would be a race.
        what: What the lock guards, for messages.
        work: Reports the waiting; its cancellation ends it.
        bound_s: Timeout in seconds.

    Raises:
        BrokenEnvironment: the lock is still held after `bound_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    holder_file = path.with_suffix(".holder")
    # Closing the file gives the lock back, and so does the end of the process, however it comes.
    with path.open("ab") as lock:
        if not _acquired(lock):
            holder = _text(holder_file) or "another lab command"
            with work.step(f"waiting for {holder}, which is using {what}"):
                if not work.wait_until(lambda: _acquired(lock), bound_s):
                    raise BrokenEnvironment(
                        f"{what} is in use by {holder}", hint="wait until it has ended, then try again"
                    )
        try:
            holder_file.write_text(f"'lab {' '.join(sys.argv[1:])}' (process {os.getpid()})\n")
            yield
        finally:
            holder_file.unlink(missing_ok=True)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _acquired(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
