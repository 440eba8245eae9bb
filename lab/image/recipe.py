"""What goes into a guest image, and the digest that names the image made of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SUITE = "bookworm"
"""Debian 12: its kernels 6.1 and 6.12 are those the replicas rewind."""

BOOT_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "ext4")
"""What a kernel needs to reach its disk and network card; those that are built in are passed over."""

KERNEL_ARGUMENTS = (
    "console=ttyS0 quiet loglevel=3 net.ifnames=0 mitigations=off audit=0 "
    # provision/guest/network.sh wakes the others.
    "maxcpus=1 "
    # Both cost a quarter of a second under emulation and tell nothing here.
    "cryptomgr.notests tsc=reliable "
    # A guest whose kernel oopses ends at once (with -no-reboot), and its console says why.
    "oops=panic panic=-1"
)
"""What each guest kernel is booted with, whoever boots it."""

SOURCES = ("nfqdns", "ctrewind", "verdict", "trace", "clients", "lanes", "guest", "stap")
"""The directories of `provision/` that go to every machine, whatever its provider."""

_SOURCE_SUFFIXES = (".c", ".h", ".sh", ".stp", ".bt")


@dataclass(frozen=True)
class Recipe:
    """Everything a guest image is made of.

    Attributes:
        provision: The directory `provision/`.
        mirror: The package mirror; None for the builder's own default.
    """

    provision: Path
    mirror: str | None = None

    @classmethod
    def from_environment(cls, provision: Path) -> Recipe:
        """Give the recipe with the mirror named by LAB_MIRROR, if any."""
        return cls(provision, os.environ.get("LAB_MIRROR") or None)

    @property
    def packages(self) -> list[str]:
        """The Debian packages of the guest."""
        lines = (self.provision / "image" / "packages.txt").read_text().splitlines()
        return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]

    @property
    def base_digest(self) -> str:
        """Names the root file system as Debian gives it, before anything of the lab is in it."""
        return _digest([("suite", SUITE.encode()), ("packages", " ".join(sorted(self.packages)).encode())])

    @property
    def digest(self) -> str:
        """Names the whole image: the scripts that only run in a guest are left out, as they are put there anyway."""
        files = [*built_files(self.provision), *_files(self.provision / "image")]
        parts = [(str(path.relative_to(self.provision)), path.read_bytes()) for path in files]
        # How it is built counts as well.
        parts += [(path.name, path.read_bytes()) for path in sorted(Path(__file__).parent.glob("*.py"))]
        return _digest([("base", self.base_digest.encode()), *parts])


def source_files(provision: Path) -> list[Path]:
    """Give the sources that go to every machine; nothing that a build left beside them."""
    return [
        path
        for directory in SOURCES
        for path in _files(provision / directory)
        if (path.suffix in _SOURCE_SUFFIXES and not path.name.endswith(".mod.c")) or path.name == "Makefile"
    ]


def built_files(provision: Path) -> list[Path]:
    """Give those of the sources that a build is made of."""
    run_as_they_are = (".sh", ".stp")
    return [path for path in source_files(provision) if path.suffix not in run_as_they_are or path.name == "build.sh"]


def digest_of(provision: Path, files: Iterable[Path]) -> str:
    """Names what these files hold and where they lie."""
    return _digest((str(path.relative_to(provision)), path.read_bytes()) for path in files)


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _digest(parts: Iterable[tuple[str, bytes]]) -> str:
    whole = hashlib.sha256()
    for name, content in parts:
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()[:16]
