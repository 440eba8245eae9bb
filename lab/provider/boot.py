"""What a machine is booted from: a kernel, an initramfs in parts, and what it finds its disks and its network by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from lab.catalogue.machine import Added, CentOS, Debian, Machine
from lab.errors import BadInput, BrokenEnvironment
from lab.home import Home
from lab.image.build import Image
from lab.kernels.store import BOOT_MODULES, DISK, IMAGE, KernelStore

_CARDS = {"virtio": "virtio-net-pci", "e1000": "e1000"}


@dataclass(frozen=True)
class Boot:
    """What a machine is booted from.

    Attributes:
        release: The kernel's release, as `uname -r` says it.
        kernel: Its image.
        initramfs: The parts of its initramfs, in order.
        modules: A second disk, with the kernel's modules; None where the first has them.
        disk: What disks are attached by: "virtio" or "ahci".
        network: The network card: "virtio" or "e1000".
    """

    release: str
    kernel: Path
    initramfs: tuple[Path, ...]
    modules: Path | None = None
    disk: str = "virtio"
    network: str = "virtio"

    def devices(self, root: Path) -> list[str]:
        """Give QEMU's arguments for disks and network card.

        Args:
            root: The machine's own disk.
        """
        ahci = self.disk == "ahci"
        drives = [f"file={root},format=qcow2,cache=unsafe"]
        if self.modules:
            # QEMU has no disk of that kind which cannot be written to; what is written goes nowhere.
            drives.append(f"file={self.modules},format=raw,{'snapshot=on' if ahci else 'readonly=on'}")
        argv = ["-device", "ich9-ahci,id=ahci"] if ahci else []
        for index, drive in enumerate(drives):
            if ahci:
                argv += ["-drive", f"{drive},if=none,id=disk{index}"]
                argv += ["-device", f"ide-hd,drive=disk{index},bus=ahci.{index}"]
            else:
                argv += ["-drive", f"{drive},if=virtio"]
        return [*argv, "-device", f"{_CARDS[self.network]},netdev=net,romfile="]


def of(machine: Machine, image: Image, home: Home) -> Boot:
    """Give what a machine of the embedded provider is booted from.

    Raises:
        BadInput: it is none of this provider's, or its kernel was removed.
        BrokenEnvironment: the image lacks its kernel.
    """
    system = machine.system
    match system:
        case Debian():
            if system.kernel not in image.releases:
                there_are = ", ".join(image.releases)
                raise BrokenEnvironment(
                    f"{machine.name}: the guest image has no kernel {system.kernel}; it has: {there_are}"
                )
            kernel, initramfs = image.kernel(system.kernel), image.initramfs(system.kernel)
            return Boot(image.releases[system.kernel], kernel, (initramfs,))
        case Added():
            files = KernelStore(home.kernels).path(machine.name)
            parts = (image.initramfs_base, files / BOOT_MODULES)
            return Boot(system.release, files / IMAGE, parts, files / DISK, system.disk, system.network)
        case CentOS():
            raise BadInput(f"{machine.name}: {machine.title} cannot be brought up by the embedded provider")
        case _:
            assert_never(system)
