"""Modules of a kernel: their files, their dependencies, and which of them the lab's guest needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.foundation.errors import BadInput
from lab.image import initramfs
from lab.kernels import header
from lab.kernels.header import HeaderError, Module, plain

BOOT = (
    *("virtio_pci", "virtio_blk", "virtio_net"),
    # Without virtio: QEMU's AHCI controller and network card.
    *("ahci", "sd_mod", "e1000"),
    "ext4",
    # ext4 requests it by an alias, which nothing in the initramfs can resolve.
    *("crc32c", "crc32c_generic", "crc32c_intel"),
)
"""Modules needed to reach the disk and the network card; a kernel may lack some of them."""

FOR_TRIALS = ("veth", "af_packet", "ipv6", "sch_prio", "sch_netem", "cls_u32")
"""Modules that the guest's scripts load, besides netfilter."""

NETFILTER = re.compile(r"net/(ipv4/|ipv6/)?netfilter/(?!ip_vs|ipvs/|ipset/)")
"""Paths of netfilter modules, without virtual servers and address sets, which the lab does not use."""


class Modules:
    """Modules below a `lib/modules/RELEASE`.

    Args:
        directory: That directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._read: dict[Path, Module] = {}
        self.files = {
            plain(path.name): path
            for path in sorted(directory.rglob("*.ko*"))
            if re.fullmatch(r".+\.ko(\.(gz|xz|zst))?", path.name) and path.is_file() and not path.is_symlink()
        }
        """Module files by the kernel's module name."""
        self.builtin = frozenset(plain(Path(line).name) for line in _lines(directory / "modules.builtin"))
        """Names of modules built into the kernel image."""

    @property
    def knows_builtin(self) -> bool:
        """Whether there is a list of built-in modules; without one no module is known to be missing."""
        return (self.directory / "modules.builtin").is_file()

    def has(self, name: str) -> bool:
        """Return whether the kernel has a module, built in or loadable; True without a list of built-in modules."""
        return name in self.files or name in self.builtin or not self.knows_builtin

    def read(self, path: Path) -> Module:
        """Return the metadata of a module.

        Raises:
            BadInput: it is not a module, or it is damaged.
        """
        if path not in self._read:
            try:
                self._read[path] = header.module(initramfs.unpacked(path))
            except HeaderError as error:
                raise BadInput(f"{path.relative_to(self.directory)}: {error}") from error
        return self._read[path]

    def with_needed(self, names: Iterable[str]) -> list[Path]:
        """Return files of these modules and their dependencies, each after its dependencies; absent ones are skipped.

        Dependencies are read from the modules, because most packages have no `modules.dep`: depmod(8) creates it on
        installation.

        Raises:
            BadInput: one of them is not a module, or is damaged.
        """
        order: dict[str, Path] = {}
        met: set[str] = set()
        # Each is visited twice: first its dependencies are pushed, then it is emitted.
        waiting = [(name, False) for name in reversed(list(names))]
        while waiting:
            name, is_ready = waiting.pop()
            path = self.files.get(name)
            if path is None or (name in met and not is_ready):
                continue
            met.add(name)
            if is_ready:
                order[name] = path
                continue
            waiting.append((name, True))
            waiting += [(needed, False) for needed in self._needed_by(path)]
        return list(order.values())

    def _needed_by(self, path: Path) -> list[str]:
        module = self.read(path)
        return [*module.depends, *(file for alias in module.softly for file in self._called(alias))]

    def for_the_guest(self) -> list[Path]:
        """Return the files of all modules that the guest may load.

        Raises:
            BadInput: one of them is not a module, or is damaged.
        """
        netfilter = [name for name, path in self.files.items() if NETFILTER.search(str(path))]
        return self.with_needed([*BOOT, *FOR_TRIALS, *netfilter])

    def _called(self, alias: str) -> Iterator[str]:
        """Return the modules that an alias in a soft dependency may mean: crc32c_intel for "crypto-crc32c"."""
        name = plain(alias.removeprefix("crypto-"))
        return (file for file in self.files if file == name or file.startswith(f"{name}_"))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
