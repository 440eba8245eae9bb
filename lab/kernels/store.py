"""The kernels that were added to a lab: a directory each, whole or not there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from lab.catalogue.document import Model
from lab.catalogue.era import Era
from lab.catalogue.machine import Added, Name
from lab.errors import BadInput
from lab.files import locked, write_whole
from lab.kernels.source import Source
from lab.work import Work

SCHEMA: Literal[1] = 1
"""Goes up when a kernel's directory changes in a way that an older lab would misread."""

IMAGE, BOOT_MODULES, DISK, DESCRIPTION = "vmlinuz", "modules.cpio", "disk.img", "kernel.json"
"""The kernel, an initramfs' part with the modules it boots with, and a disk with all modules and headers."""

_ADDING_BOUND_S = 1800.0
"""Another command may have to fetch its packages over a slow line."""

_UNFINISHED = ".unfinished-"


class Classified(Model):
    """What `lab classify` found.

    Attributes:
        era: The era.
        reason: What that rests on.
        run: The run with the trials.
    """

    era: Era
    reason: str
    run: str


class Kernel(Model):
    """A kernel that was added.

    Attributes:
        schema_version: The version of this format.
        name: What people type.
        release: As `uname -r` says it.
        sources: Where its files came from.
        added: When, in UTC, as ISO 8601.
        modules: How many modules the guest has of it.
        headers: Whether its headers were added.
        lacks: What it has not and trials need: modules, by name.
        disk: What its disk is attached by.
        network: Its network card.
        classified: Its era, once that is known.
    """

    schema_version: Literal[1] = SCHEMA
    name: Name
    release: str
    sources: tuple[Source, ...]
    added: str
    modules: int
    headers: bool
    lacks: tuple[str, ...]
    disk: Literal["virtio", "ahci"]
    network: Literal["virtio", "e1000"]
    classified: Classified | None = None

    @property
    def system(self) -> Added:
        """The kernel as the system of a machine."""
        return Added(
            title=f"kernel {self.release}, added from {Path(self.sources[0].given).name}",
            release=self.release,
            headers=self.headers,
            disk=self.disk,
            network=self.network,
            made_of=self.added,
        )


class KernelStore:
    """The kernels of one lab.

    Args:
        directory: Where they lie.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, name: str) -> Path:
        """Give the directory of a kernel's files."""
        return self._directory / name

    def all(self) -> list[Kernel]:
        """Give all of them, by name; one that cannot be read is passed over, and `get` says why."""
        found = []
        for path in sorted(self._directory.glob(f"*/{DESCRIPTION}")):
            try:
                found.append(self._read(path))
            except BadInput:
                continue
        return found

    def names(self) -> list[str]:
        """Give the names that are taken."""
        return sorted(path.parent.name for path in self._directory.glob(f"[a-z]*/{DESCRIPTION}"))

    def get(self, name: str) -> Kernel:
        """Give one kernel.

        Raises:
            BadInput: there is none of that name, or another version of the lab wrote it.
        """
        if name not in self.names():
            there_are = f"there are: {', '.join(self.names())}" if self.names() else "none was added yet"
            raise BadInput(f"no kernel is called '{name}'; {there_are}", hint="add one: lab kernel add --help")
        return self._read(self.path(name) / DESCRIPTION)

    def classified(self, name: str, classified: Classified | None) -> None:
        """Remember a kernel's era, or that it is not known any more."""
        self._write(self.path(name), self.get(name).model_copy(update={"classified": classified}))

    @contextmanager
    def adding(self, work: Work) -> Iterator[Path]:
        """Give a scratch directory on the disk where kernels are; it goes at the end, whatever happens.

        Raises:
            BrokenEnvironment: another command does not come to its end with adding a kernel.
        """
        with locked(self._directory / "adding.lock", "the kernels", work, bound_s=_ADDING_BOUND_S):
            for left in self._directory.glob(f"{_UNFINISHED}*"):  # by a command that was killed
                shutil.rmtree(left, ignore_errors=True)
            scratch = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._directory))
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

    def put(self, kernel: Kernel, files: Path) -> None:
        """Take in a kernel whose files are all there."""
        self._write(files, kernel)
        files.rename(self.path(kernel.name))

    def remove(self, name: str) -> None:
        """Remove a kernel and all its files."""
        shutil.rmtree(self.path(name))

    def size_bytes(self, name: str) -> int:
        """Give how much room a kernel's files take on the disk, in bytes."""
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
