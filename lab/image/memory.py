"""A directory in memory for the trees of a build: tens of thousands of small files, which some disks write slowly."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

SIZE_MB = 2500
"""Most that a tree takes: Debian's packages beside the unpacked tree."""

AVAILABLE_MB = SIZE_MB + 1500
"""Available memory from which a tree is put there."""

_MOUNT = """
size=$1 directory=$2
shift 2
if unshare --mount true 2>/dev/null; then
	exec unshare --mount sh -c 'mount -t tmpfs -o "mode=0755,size=$0" tmpfs "$1" || true; shift; exec "$@"' \\
		"$size" "$directory" "$@"
fi
exec "$@"
"""
"""Where mounting is refused, as in most containers, the program runs with the directory as it is."""


@dataclass(frozen=True)
class BuildMemory:
    """A directory in memory.

    Attributes:
        directory: The directory.
        prefix: The first words of a command line whose program finds it in memory; no other process does.
    """

    directory: Path
    prefix: Sequence[str | Path]

    @property
    def temporary(self) -> Mapping[str, str]:
        """The environment of a program whose temporary files are to be there."""
        return {"TMPDIR": str(self.directory)} if self.prefix else {}


@contextmanager
def in_memory(directory: Path) -> Iterator[BuildMemory]:
    """Yield a new directory that is in memory for a program, if root runs it and there is room; it is removed.

    Args:
        directory: Its path, which must not exist.
    """
    directory.mkdir()
    try:
        roomy = psutil.virtual_memory().available >= AVAILABLE_MB * 1_000_000
        mounted: Sequence[str | Path] = ["sh", "-c", _MOUNT, "sh", f"{SIZE_MB}m", directory]
        yield BuildMemory(directory, mounted if os.geteuid() == 0 and roomy else ())
    finally:
        shutil.rmtree(directory, ignore_errors=True)
