"""Boot configuration of a machine: kernel, initramfs parts, and the devices for its disks and network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from lab.catalogue.machine import Added, CentOS, Debian, Machine
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.home import Home
from lab.image.build import Image
from lab.kernels.store import BOOT_MODULES, DISK, IMAGE, KernelStore

_CARDS = {"virtio": "virtio-net-pci", "e1000": "e1000"}


@dataclass(frozen=True)
class Boot:
    """Boot configuration of a machine.

    Attributes:
        release: Kernel release as printed by `uname -r`.
        kernel: Kernel image.
        initramfs: Parts of the initramfs, in order.
        modules: A second disk with the kernel's modules; None where the first disk has them.
        disk: Disk bus: "virtio" or "ahci".
        network: Network card: "virtio" or "e1000".
    """

    release: str
    kernel: Path
    initramfs: tuple[Path, ...]
    modules: Path | None = None
    disk: str = "virtio"
    network: str = "virtio"

    def devices(self, root: Path) -> list[str]:
        """Return QEMU's arguments for disks and network card.

        Args:
            root: The machine's own disk.
        """
        ahci = self.disk == "ahci"
        drives = [f"file={root},format=qcow2,cache=unsafe"]
        if self.modules:
            # QEMU has no read-only disk of that kind: writes are discarded.
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
    """Return the boot configuration of a machine of the embedded provider.

    Raises:
        BadInput: the machine does not belong to this provider, or its kernel was removed.
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
            files = KernelStore(home.kernels).path(system.kernel)
            parts = (image.initramfs_base, files / BOOT_MODULES)
            return Boot(system.release, files / IMAGE, parts, files / DISK, system.disk, system.network)
        case CentOS():
            raise BadInput(f"{machine.name}: {machine.title} cannot be brought up by the embedded provider")
        case _:
            assert_never(system)
