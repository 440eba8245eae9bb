"""Inputs of a guest image, and the digest that identifies the image."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.foundation.files import entries

SUITE = "bookworm"
"""Debian 12: the replicas rewind its kernels 6.1 and 6.12."""

BOOT_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "ext4")
"""Modules needed to reach the disk and the network card; built-in ones are skipped."""

KERNEL_ARGUMENTS = (
    "console=ttyS0 quiet loglevel=3 net.ifnames=0 mitigations=off audit=0 "
    # Old kernels count timer interrupts in a short loop and panic if there are too few, as on a busy host
    # ("IO-APIC + timer doesn't work!", check_timer in arch/x86/kernel/apic/io_apic.c).
    "no_timer_check "
    # provision/guest/processors.sh brings the other processors online.
    "maxcpus=1 "
    # Both cost a quarter of a second under emulation and are not needed here.
    "cryptomgr.notests tsc=reliable "
    # QEMU translates code for each virtual address at which it runs: with libraries at random addresses it would
    # translate each program anew at each start.
    "norandmaps "
    # An oops ends the guest at once (with -no-reboot), and is on its console.
    "oops=panic panic=-1"
)
"""Kernel command line of each guest, for every provider."""

SOURCES = ("nfqdns", "ctrewind", "kbuild", "verdict", "trace", "clients", "lanes", "guest", "stap")
"""Directories of `provision/` that are copied to every machine."""

BUILDERS = ("base.py", "build.py", "disk.py", "initramfs.py", "parts.py", "recipe.py")
"""The modules beside this one that determine what is in an image."""

_SOURCE_SUFFIXES = (".c", ".h", ".sh", ".stp", ".bt", ".py")


@dataclass(frozen=True)
class Recipe:
    """Inputs of a guest image.

    Attributes:
        provision: The directory `provision/`.
        mirror: The package mirror; None for mmdebstrap's default.
    """

    provision: Path
    mirror: str | None = None

    @classmethod
    def from_environment(cls, provision: Path) -> Recipe:
        """Return the recipe with the mirror named by LAB_MIRROR, if any."""
        return cls(provision, os.environ.get("LAB_MIRROR") or None)

    @property
    def packages(self) -> list[str]:
        """The Debian packages of the guest."""
        return entries(self.provision / "image" / "packages.txt")

    @property
    def base_digest(self) -> str:
        """Digest of the Debian root file system, before the lab's files are added."""
        return _digest([("suite", SUITE.encode()), ("packages", " ".join(sorted(self.packages)).encode())])

    @property
    def digest(self) -> str:
        """Digest of the whole image, without scripts that are copied to each guest anyway."""
        files = [*built_files(self.provision), *files_in(self.provision / "image")]
        parts = [(str(path.relative_to(self.provision)), path.read_bytes()) for path in files]
        # The build code counts as well.
        parts += [(name, (Path(__file__).parent / name).read_bytes()) for name in BUILDERS]
        return _digest([("base", self.base_digest.encode()), *parts])


def source_files(provision: Path) -> list[Path]:
    """Return the sources that are copied to every machine, without build products."""
    return [
        path
        for directory in SOURCES
        for path in files_in(provision / directory)
        if (path.suffix in _SOURCE_SUFFIXES and not path.name.endswith(".mod.c")) or path.name == "Makefile"
    ]


def built_files(provision: Path) -> list[Path]:
    """Return the sources that are compiled, or control the build."""
    run_as_they_are = (".sh", ".stp", ".py")
    return [
        path
        for path in source_files(provision)
        if path.suffix not in run_as_they_are or path.name == "build.sh" or path.parent.name == "kbuild"
    ]


def digest_of(provision: Path, files: Iterable[Path]) -> str:
    """Return a digest of the contents and paths of files."""
    return _digest((str(path.relative_to(provision)), path.read_bytes()) for path in files)


def files_in(directory: Path) -> list[Path]:
    """Return the files of a directory and of those below it, in order."""
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _digest(parts: Iterable[tuple[str, bytes]]) -> str:
    whole = hashlib.sha256()
    for name, content in parts:
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()[:16]
