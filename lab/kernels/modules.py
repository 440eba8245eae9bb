"""A kernel's modules: where each is, whom it needs, and which of them the lab's guest needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.errors import BadInput
from lab.image import initramfs
from lab.kernels import header
from lab.kernels.header import Module, UnreadableError, plain

BOOT = (
    *("virtio_pci", "virtio_blk", "virtio_net"),
    # Where there is no virtio: the AHCI controller and the network card that QEMU has besides.
    *("ahci", "sd_mod", "e1000"),
    "ext4",
    # ext4 asks for it by an alias, which nothing in the initramfs can resolve.
    *("crc32c", "crc32c_generic", "crc32c_intel"),
)
"""What a kernel needs to reach its disk and its network card, as far as it has it."""

FOR_TRIALS = ("veth", "af_packet", "ipv6", "sch_prio", "sch_netem", "cls_u32")
"""What the guest's scripts ask for, beside netfilter."""

NETFILTER = re.compile(r"net/(ipv4/|ipv6/)?netfilter/(?!ip_vs|ipvs/|ipset/)")
"""Where its modules are; virtual servers and sets of addresses are none of the lab's business."""


class Modules:
    """The modules below a `lib/modules/RELEASE`.

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
        """Each by its name as the kernel has it."""
        self.builtin = frozenset(plain(Path(line).name) for line in _lines(directory / "modules.builtin"))
        """Those that are part of the kernel image."""

    @property
    def knows_builtin(self) -> bool:
        """Whether there is a list of what is built in; without one nothing can be said to be missing."""
        return (self.directory / "modules.builtin").is_file()

    def has(self, name: str) -> bool:
        """Tell whether the kernel has this module, built in or not; whether it may have, where nothing tells."""
        return name in self.files or name in self.builtin or not self.knows_builtin

    def read(self, path: Path) -> Module:
        """Give what a module says of itself.

        Raises:
            BadInput: it is no module, or damaged.
        """
        if path not in self._read:
            try:
                self._read[path] = header.module(initramfs.unpacked(path))
            except UnreadableError as error:
                raise BadInput(f"{path.relative_to(self.directory)}: {error}") from error
        return self._read[path]

    def with_needed(self, names: Iterable[str]) -> list[Path]:
        """Give the files of these modules and of all that they need, each behind those; what is not there is left out.

        A module names those that it needs itself, so that no `modules.dep` is asked for: most packages have none,
        as depmod(8) makes it when they are installed.

        Raises:
            BadInput: one of them is no module, or damaged.
        """
        order: dict[str, Path] = {}
        met: set[str] = set()
        # Each is met twice: first those that it needs are put before it, then it is given.
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
        said = self.read(path)
        return [*said.depends, *(file for alias in said.softly for file in self._called(alias))]

    def for_the_guest(self) -> list[Path]:
        """Give the files of all modules that the guest may ask for.

        Raises:
            BadInput: one of them is no module, or damaged.
        """
        netfilter = [name for name, path in self.files.items() if NETFILTER.search(str(path))]
        return self.with_needed([*BOOT, *FOR_TRIALS, *netfilter])

    def _called(self, alias: str) -> Iterator[str]:
        """Give the modules that an alias of a soft dependency may mean, such as crc32c_intel for "crypto-crc32c"."""
        name = plain(alias.removeprefix("crypto-"))
        return (file for file in self.files if file == name or file.startswith(f"{name}_"))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
