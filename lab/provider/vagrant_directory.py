"""The lab's files in the directory of a Vagrant machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lab.catalogue.machine import Debian, Machine
from lab.foundation.files import write_whole
from lab.image.recipe import KERNEL_ARGUMENTS
from lab.provider import tsc
from lab.provider.vagrantfile import DirectKernel


@dataclass(frozen=True)
class VagrantDirectory:
    """A machine's directory.

    Attributes:
        path: Path of the directory.
    """

    path: Path

    @property
    def is_known(self) -> bool:
        """Whether Vagrant was ever asked to bring the machine up."""
        return (self.path / ".vagrant").exists()

    @property
    def vagrantfile(self) -> Path:
        """The machine's Vagrantfile."""
        return self.path / "Vagrantfile"

    @property
    def ssh_port(self) -> int:
        """The port forwarded to the machine's SSH server."""
        return self._origin()["ssh_port"]

    @property
    def box_number(self) -> int:
        """Index of the box that the machine was created from, counted from 0."""
        return self._origin().get("box", 0)

    def store_origin(self, ssh_port: int, box_number: int) -> None:
        """Store the port and the box index of a new machine."""
        write_whole(self.path / "vagrant.json", json.dumps({"ssh_port": ssh_port, "box": box_number}))

    @property
    def host_key(self) -> str | None:
        """The host key of the machine's SSH server; None until it is known."""
        path = self.path / "host_key.pub"
        return path.read_text().strip() if path.exists() else None

    def store_host_key(self, key: str) -> None:
        """Store the host key of the machine's SSH server."""
        write_whole(self.path / "host_key.pub", key + "\n")

    def delete_host_key(self) -> None:
        """Delete the host key, because the next guest has another one."""
        (self.path / "host_key.pub").unlink(missing_ok=True)

    def direct_kernel(self, machine: Machine) -> DirectKernel | None:
        """Return the kernel for direct boot; None for a machine with a boot loader."""
        if not isinstance(machine.system, Debian):
            return None
        arguments = tsc.kernel_arguments(KERNEL_ARGUMENTS)
        return DirectKernel(self.path / "vmlinuz", self.path / "initramfs", arguments, self.path / "console.log")

    def _origin(self) -> dict[str, int]:
        return dict(json.loads((self.path / "vagrant.json").read_text()))
