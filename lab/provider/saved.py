"""The saved state of a machine, as files: whole or not there, checked before it is used, and made of known things."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab.errors import BrokenEnvironment
from lab.files import write_whole

FORMAT = "1"
"""Goes up when an older state must not be resumed any more, whatever it was made of."""

Ingredients = Mapping[str, str]
"""What went into a state: what people call each thing, and what names this one of it."""

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
        """Memory and devices, as QEMU's migration stream."""
        return self._path / MEMORY

    @property
    def disk(self) -> Path:
        """The machine's own disk at that moment; to be copied, never written."""
        return self._path / DISK

    @property
    def clock_s(self) -> float:
        """What the guest's clock said at that moment, in seconds since 1970.

        Raises:
            BrokenEnvironment: the file does not tell.
        """
        try:
            return float((self._path / CLOCK).read_text())
        except (OSError, ValueError) as error:
            raise BrokenEnvironment("it does not tell what time it was") from error

    def exists(self) -> bool:
        """Tell whether there is one, for whatever it was made of."""
        return self._path.exists()

    def differs_in(self, wanted: Ingredients) -> list[str]:
        """Give what it was made of otherwise than is wanted now; everything, when it does not say."""
        made_of = self._manifest().get("made_of", {})
        return [name for name in {**wanted, **made_of} if wanted.get(name) != made_of.get(name)]

    def check(self) -> None:
        """Make sure that its files are as they were written.

        Raises:
            BrokenEnvironment: they are not.
        """
        sums = self._manifest().get("sums")
        if sums != {name: _sum(self._path / name) for name in _FILES}:
            raise BrokenEnvironment("its files are damaged")

    @contextmanager
    def written(self, made_of: Ingredients) -> Iterator[Path]:
        """Give a directory for `MEMORY`, `DISK` and `CLOCK`; at the end it becomes the state, after an error nothing.

        Args:
            made_of: What goes into the state.
        """
        # It holds the guest's memory, and so its keys.
        self._remove(self._scratch)
        self._scratch.mkdir(mode=0o700)
        try:
            for name in _FILES:
                (self._scratch / name).touch(mode=0o600)
            yield self._scratch
            # Instead of waiting until the disk has them: what a power cut leaves is found out by its sums.
            sums = {name: _sum(self._scratch / name) for name in _FILES}
            manifest = {"made_of": dict(made_of), "sums": sums}
            write_whole(self._scratch / _MANIFEST, json.dumps(manifest, indent=1), mode=0o600)
            self._remove(self._path)
            self._scratch.rename(self._path)
        finally:
            self._remove(self._scratch)

    def remove(self) -> None:
        """Remove it, and what a killed command left half written."""
        self._remove(self._path)
        self._remove(self._scratch)

    def _manifest(self) -> dict[str, dict[str, object]]:
        try:
            found = json.loads((self._path / _MANIFEST).read_text())
            return {name: dict(found[name]) for name in ("made_of", "sums")}
        except (OSError, ValueError, TypeError, KeyError):
            return {}

    @staticmethod
    def _remove(path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)


def _sum(path: Path) -> list[int] | None:
    """Give a file's size and CRC-32: against accidents; nobody else can write it."""
    try:
        with path.open("rb") as file:
            crc = 0
            while block := file.read(_BLOCK):
                crc = zlib.crc32(block, crc)
            return [os.fstat(file.fileno()).st_size, crc]
    except OSError:
        return None
