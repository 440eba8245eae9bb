"""Files of a machine's saved state: complete or absent, with checksums and a cache key."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab.foundation.errors import BrokenEnvironment
from lab.foundation.files import write_whole

FORMAT = "1"
"""Incremented when older states must no longer be restored, whatever their cache key."""

Ingredients = Mapping[str, str]
"""Cache key of a state: for each part its name and the value that identifies it."""

MEMORY, DISK, CLOCK, _MANIFEST = "memory", "disk.qcow2", "clock", "manifest.json"

_FILES = (MEMORY, DISK, CLOCK)

_BLOCK = 1 << 20


class SavedState:
    """The saved state that belongs to a machine's directory.

    Args:
        directory: The machine's directory.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "saved"
        self._scratch = directory / "saved.unfinished"

    @property
    def memory(self) -> Path:
        """Memory and devices, as a QEMU migration stream."""
        return self._path / MEMORY

    @property
    def disk(self) -> Path:
        """The machine's disk at that moment; to be copied, never written."""
        return self._path / DISK

    @property
    def clock_s(self) -> float:
        """Guest time of the snapshot, in seconds since 1970.

        Raises:
            BrokenEnvironment: the file is unreadable.
        """
        try:
            return float((self._path / CLOCK).read_text())
        except (OSError, ValueError) as error:
            raise BrokenEnvironment("its time of saving is unreadable") from error

    def exists(self) -> bool:
        """Return whether there is a state, whatever its cache key."""
        return self._path.exists()

    def differs_in(self, wanted: Ingredients) -> list[str]:
        """Return the parts in which its cache key differs; all parts when its manifest is unreadable."""
        made_of = self._manifest().get("made_of", {})
        return [name for name in {**wanted, **made_of} if wanted.get(name) != made_of.get(name)]

    def check(self) -> None:
        """Check the files' checksums.

        Raises:
            BrokenEnvironment: they do not match.
        """
        sums = self._manifest().get("sums")
        if sums != {name: _sum(self._path / name) for name in _FILES}:
            raise BrokenEnvironment("its files are damaged")

    @contextmanager
    def written(self, made_of: Ingredients) -> Iterator[Path]:
        """Yield a directory for `MEMORY`, `DISK` and `CLOCK`, which becomes the state unless an error is raised.

        Args:
            made_of: Cache key of the state.
        """
        # The directory contains the guest's memory, including its keys.
        self._remove(self._scratch)
        self._scratch.mkdir(mode=0o700)
        try:
            for name in _FILES:
                (self._scratch / name).touch(mode=0o600)
            yield self._scratch
            # No fsync: damage by a power failure is detected by the checksums.
            sums = {name: _sum(self._scratch / name) for name in _FILES}
            manifest = {"made_of": dict(made_of), "sums": sums}
            write_whole(self._scratch / _MANIFEST, json.dumps(manifest, indent=1), mode=0o600)
            self._remove(self._path)
            self._scratch.rename(self._path)
        finally:
            self._remove(self._scratch)

    def remove(self) -> None:
        """Remove it, and any incomplete state left by a killed command."""
        self._remove(self._path)
        self._remove(self._scratch)

    def _manifest(self) -> dict[str, dict[str, object]]:
        try:
            manifest = json.loads((self._path / _MANIFEST).read_text())
            return {name: dict(manifest[name]) for name in ("made_of", "sums")}
        except (OSError, ValueError, TypeError, KeyError):
            return {}

    @staticmethod
    def _remove(path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)


def _sum(path: Path) -> list[int] | None:
    """Return a file's size and CRC-32, against accidental damage; other users cannot write it."""
    try:
        with path.open("rb") as file:
            crc = 0
            while block := file.read(_BLOCK):
                crc = zlib.crc32(block, crc)
            return [os.fstat(file.fileno()).st_size, crc]
    except OSError:
        return None
