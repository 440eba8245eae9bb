"""Cache of built kernel modules for all labs: building one takes a minute under emulation."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from lab.foundation.files import write_whole

KEPT = 50
"""Modules kept, of 20 kB each."""


@dataclass(frozen=True)
class ModuleCache:
    """Modules by cache key.

    A module's file name contains its key and its digest, so that damage is detected.

    Attributes:
        directory: Directory of the modules.
    """

    directory: Path

    def get(self, key: str) -> bytes | None:
        """Return a module; None when there is none that is intact."""
        for path in self._paths(key):
            # Another lab may remove it at any moment.
            with contextlib.suppress(FileNotFoundError):
                content = path.read_bytes()
                if content and path.name == _name(key, content):
                    os.utime(path)  # marks it as used: see `put`
                    return content
                path.unlink()
        return None

    def put(self, key: str, module: bytes) -> None:
        """Store a module, replacing any other with this key."""
        self.remove(key)
        write_whole(self.directory / _name(key, module), module)
        newest_first = sorted(self.directory.glob("*.ko"), key=_used_at, reverse=True)
        for path in newest_first[KEPT:]:
            path.unlink(missing_ok=True)

    def remove(self, key: str) -> None:
        """Remove the module with a key, because it did not load."""
        for path in self._paths(key):
            path.unlink(missing_ok=True)

    def _paths(self, key: str) -> list[Path]:
        return sorted(self.directory.glob(f"{key}-*.ko"))


def _used_at(path: Path) -> float:
    """Return when a module was last used; 0 if another lab has removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _name(key: str, module: bytes) -> str:
    return f"{key}-{hashlib.sha256(module).hexdigest()}.ko"
