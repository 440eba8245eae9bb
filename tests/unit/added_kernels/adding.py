"""Kernels added to a lab's store from packages and directories, and what is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.foundation.errors import BadInput, LabError
from lab.foundation.work import Work
from lab.kernels import add as kernels_add
from lab.kernels.source import Given
from lab.kernels.store import DISK, Kernel, KernelStore
from tests import kernels


def add(store: KernelStore, *sources: Path | str, name: str | None = "mine", sha256: tuple[str, ...] = ()) -> Kernel:
    """Add a kernel."""
    kernel, _ = kernels_add.add(store, Given([str(source) for source in sources], sha256), name, ["old"], Work())
    return kernel


def in_disk(store: KernelStore, path: str) -> str:
    """Return the names in a directory of a kernel's guest disk."""
    disk = store.path("mine") / DISK
    command: list[str | Path] = ["/sbin/debugfs", "-R", f"ls -p {path}", disk]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return " ".join(line.split("/")[5] for line in listing.splitlines() if line.count("/") > 5)


def refused(store: KernelStore, *sources: Path | str, match: str) -> LabError:
    """Check that sources are refused as bad input in one line and leave nothing behind."""
    with pytest.raises(BadInput, match=match) as caught:
        add(store, *sources)
    assert "\n" not in caught.value.message
    assert store.names() == []
    assert [path.name for path in store.path("x").parent.iterdir() if path.name != "adding.lock"] == []
    return caught.value


PACKAGES: dict[str, Callable[[Path, Path], list[Path]]] = {
    "deb with xz": lambda files, where: [kernels.deb(files, where / "linux.deb")],
    "deb with zstd": lambda files, where: [kernels.deb(files, where / "linux.deb", compression="zstd")],
    "RHEL 7": lambda files, where: kernels.rpms(files, where, payload="w1.xzdio", **kernels.KERNEL_OF_RHEL_7),
    "Fedora": lambda files, where: kernels.rpms(
        kernels.fedora_like(files), where, payload="w1.zstdio", **kernels.KERNEL_OF_FEDORA
    ),
    "gzipped RPM": lambda files, where: kernels.rpms(files, where, payload="w1.gzdio", **kernels.KERNEL_OF_RHEL_7),
    "directory": lambda files, _: [files],
}


def made(directory: Path) -> Path:
    """Make a directory."""
    directory.mkdir()
    return directory
