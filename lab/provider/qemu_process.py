"""One machine's QEMU process: its command line, its start on a free port, and its stored process id."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.files import write_whole
from lab.foundation.later import Later
from lab.provider.base import HOST, free_port

if TYPE_CHECKING:
    from lab.catalogue.machine import Machine
    from lab.image import recipe
    from lab.provider import accelerator, qmp, tsc
    from lab.provider.boot import Boot
else:
    accelerator = Later("lab.provider.accelerator")
    qmp = Later("lab.provider.qmp")
    recipe = Later("lab.image.recipe")
    tsc = Later("lab.provider.tsc")

PROGRAM = "qemu-system-x86_64"

PORT_TRIES = 5
"""Attempts to start QEMU: another program may take the free port first."""

CONSOLE, LOG, INITRAMFS, DISK = "console.log", "qemu.log", "initramfs", "disk.qcow2"
"""File names in the machine's directory."""

_REMEMBERED = "started.json"


class PortTaken(BrokenEnvironment):
    """The fixed port of a machine is not free."""


@dataclass(frozen=True)
class Started:
    """Stored description of a machine's QEMU process.

    Attributes:
        pid: Process id.
        port: Port of the guest's sshd.
        marker: One of its arguments, which distinguishes it from another process with the same id.
    """

    pid: int
    port: int
    marker: str

    @property
    def is_alive(self) -> bool:
        """Whether it is running."""
        return process.is_running(self.pid, self.marker)

    def end(self) -> None:
        """Stop it; does nothing if it is gone."""
        process.stop(self.pid, self.marker)


def running(directory: Path) -> Started | None:
    """Return the process of the machine in a directory; None when it has none."""
    try:
        started = Started(**json.loads((directory / _REMEMBERED).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return started if started.is_alive else None


def arguments(machine: Machine, boot: Boot, accel: str, directory: Path) -> list[str]:
    """Return the QEMU arguments of a machine, for boot and restore alike, without the network and its port."""
    argv = [PROGRAM, "-name", f"five-second-lab-{machine.name}"]
    argv += ["-accel", accel, "-cpu", "host" if accel == accelerator.KVM else "max"]
    argv += ["-smp", str(machine.cpus), "-m", str(machine.memory_mb)]
    argv += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", _marker(directory)]
    argv += ["-kernel", str(boot.kernel), "-initrd", str(directory / INITRAMFS), "-append", recipe.KERNEL_ARGUMENTS]
    return [*argv, *boot.devices(directory / DISK), *qmp.ARGUMENTS]


def start(machine: Machine, argv: Sequence[str], directory: Path, is_up: Callable[[Started], bool]) -> Started | None:
    """Start a machine's QEMU on its port, or on a free one.

    Args:
        machine: The machine.
        argv: Its `arguments`, and optionally more.
        directory: Its directory.
        is_up: Waits until the guest is up, and returns whether it is.

    Returns:
        None when the guest did not come up; no process is left then, nor after an error.

    Raises:
        PortTaken: the machine has a fixed port, and it is in use.
        BrokenEnvironment: QEMU could not be started.
    """
    # Not part of a saved state's cache key: a measured rate is never quite the same.
    argv = [tsc.kernel_arguments(part) if part == recipe.KERNEL_ARGUMENTS else part for part in argv]
    for _ in range(PORT_TRIES):
        port = machine.ssh_port or free_port()
        (directory / CONSOLE).unlink(missing_ok=True)
        (directory / qmp.SOCKET).unlink(missing_ok=True)
        network = f"user,id=net,restrict=on,hostfwd=tcp:{HOST}:{port}-:22"
        pid = process.start([*argv, "-netdev", network], log=directory / LOG, cwd=directory)
        started = Started(pid, port, _marker(directory))
        write_whole(directory / _REMEMBERED, json.dumps(asdict(started)))
        try:
            if is_up(started):
                return started
        except BaseException:
            started.end()
            raise
        started.end()
        if "Could not set up host forwarding rule" not in text_of(directory / LOG):
            break
        if machine.ssh_port:
            raise PortTaken(
                f"{machine.name}: port {port} on {HOST} is taken",
                hint=f"free it, or leave ssh_port out of {machine.name}.toml: the lab then takes a free one",
            )
    return None


def text_of(log: Path) -> str:
    """Return a log's content; empty when it does not exist."""
    try:
        return log.read_text(errors="replace")
    except OSError:
        return ""


def _marker(directory: Path) -> str:
    return f"file:{directory / CONSOLE}"
