"""The lab's added kernels: one directory each, complete or absent."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from lab.catalogue.document import Model
from lab.catalogue.era import Era
from lab.catalogue.machine import Added, Name
from lab.foundation import near
from lab.foundation.errors import BadInput
from lab.foundation.files import locked, write_whole
from lab.foundation.later import Later
from lab.foundation.work import Work
from lab.kernels.source import KernelSource

if TYPE_CHECKING:
    from lab.kernels import known as known_kernels
else:
    known_kernels = Later("lab.kernels.known")

SCHEMA: Literal[1] = 1
"""Incremented when the format changes so that an older lab would misread it."""

IMAGE, BOOT_MODULES, DISK, DESCRIPTION = "vmlinuz", "modules.cpio", "disk.img", "kernel.json"
"""The kernel, an initramfs part with the modules to boot, and a disk with all modules and headers."""

_ADDING_BOUND_S = 1800.0
"""Another command may be downloading packages over a slow line."""

_UNFINISHED = ".unfinished-"


class Classified(Model):
    """Result of `lab classify`.

    Attributes:
        era: The era.
        reason: The evidence for it.
        run: The run with the trials.
    """

    era: Era
    reason: str
    run: str


class Kernel(Model):
    """An added kernel.

    Attributes:
        schema_version: Version of this format.
        name: Its name.
        release: As printed by `uname -r`.
        sources: Origin of its files.
        added: Time of adding, UTC, ISO 8601.
        modules: Number of modules available to the guest.
        headers: Whether its headers were added.
        lacks: Names of modules that trials need and it lacks.
        disk: Bus of its disk.
        network: Model of its network card.
        classified: Its era, once it is known.
        known: Name of the known kernel whose verified packages it was made from; None for any other kernel.
    """

    schema_version: Literal[1] = SCHEMA
    name: Name
    release: str
    sources: tuple[KernelSource, ...]
    added: str
    modules: int
    headers: bool
    lacks: tuple[str, ...]
    disk: Literal["virtio", "ahci"]
    network: Literal["virtio", "e1000"]
    classified: Classified | None = None
    known: str | None = None

    @property
    def system(self) -> Added:
        """The kernel as the system of a machine."""
        return Added(
            title=f"kernel {self.release}, added from {Path(self.sources[0].given).name}",
            kernel=self.name,
            release=self.release,
            headers=self.headers,
            disk=self.disk,
            network=self.network,
            made_of=self.added,
        )


class KernelStore:
    """Kernels of one lab.

    Args:
        directory: Directory that contains them.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, name: str) -> Path:
        """Return the directory of a kernel's files."""
        return self._directory / name

    def all(self) -> list[Kernel]:
        """Return all kernels by name; unreadable ones are skipped, and `get` reports the reason."""
        kernels = []
        for path in sorted(self._directory.glob(f"*/{DESCRIPTION}")):
            try:
                kernels.append(self._read(path))
            except BadInput:
                continue
        return kernels

    def names(self) -> list[str]:
        """Return the names in use."""
        return sorted(path.parent.name for path in self._directory.glob(f"[a-z]*/{DESCRIPTION}"))

    def made_of(self, known: str) -> Kernel | None:
        """Return the kernel made from a known kernel's verified packages; None when there is none."""
        made = [kernel for kernel in self.all() if kernel.known == known]
        return min(made, key=lambda kernel: (kernel.name != known_kernels.store_name(known), kernel.name), default=None)

    def called(self, typed: str) -> str:
        """Return the store's name for a typed name: a known kernel's name means the kernel made from it."""
        kernel = self.made_of(typed) if ":" in typed else None
        return kernel.name if kernel else typed

    def get(self, name: str) -> Kernel:
        """Return a kernel by its name or by that of the known kernel it was made from.

        Raises:
            BadInput: there is no such kernel, or another version of the lab wrote it.
        """
        typed, name = name, self.called(name)
        if name not in self.names():
            there_are = f"there are: {', '.join(self.names())}" if self.names() else "none was added yet"
            what = f"a known kernel must be added first: lab kernel add {typed}" if ":" in typed else None
            hint = what or near.hint(typed, self.names()) or "add one: lab kernel add --help"
            raise BadInput(f"no kernel is called '{typed}'; {there_are}", hint=hint)
        return self._read(self.path(name) / DESCRIPTION)

    def classified(self, name: str, classified: Classified | None) -> None:
        """Store a kernel's era, or None to forget it."""
        self._write(self.path(name), self.get(name).model_copy(update={"classified": classified}))

    @contextmanager
    def adding(self, work: Work) -> Iterator[Path]:
        """Yield a scratch directory on the disk of the store; it is removed afterwards.

        Raises:
            BrokenEnvironment: another command keeps the store locked for too long.
        """
        with locked(self._directory / "adding.lock", "the kernels", work, bound_s=_ADDING_BOUND_S):
            for left in self._directory.glob(f"{_UNFINISHED}*"):  # from a command that was killed
                shutil.rmtree(left, ignore_errors=True)
            scratch = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._directory))
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

    def put(self, kernel: Kernel, files: Path) -> None:
        """Store a kernel whose files are complete."""
        self._write(files, kernel)
        files.rename(self.path(kernel.name))

    def remove(self, name: str) -> None:
        """Remove a kernel and all its files."""
        shutil.rmtree(self.path(name))

    def size_bytes(self, name: str) -> int:
        """Return the disk space of a kernel's files in bytes."""
        return sum(path.stat().st_blocks * 512 for path in self.path(name).iterdir())  # st_blocks: stat(2)

    def _read(self, path: Path) -> Kernel:
        try:
            return Kernel.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise BadInput(
                f"{path} cannot be read as a kernel",
                hint=f"it is damaged, or another version of the lab wrote it: lab kernel remove {path.parent.name}",
            ) from error

    def _write(self, directory: Path, kernel: Kernel) -> None:
        write_whole(directory / DESCRIPTION, kernel.model_dump_json(indent=1))
