"""One machine's QEMU process: its command line, its start on a free port, and what is remembered of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import process
from lab.catalogue.machine import Machine
from lab.errors import BrokenEnvironment
from lab.files import write_whole
from lab.image.recipe import KERNEL_ARGUMENTS
from lab.provider import accelerator, qmp, tsc
from lab.provider.base import HOST, free_port
from lab.provider.boot import Boot

PROGRAM = "qemu-system-x86_64"

PORT_TRIES = 5
"""A free port can be taken between our look and QEMU's; a few tries settle it."""

CONSOLE, LOG, INITRAMFS, DISK = "console.log", "qemu.log", "initramfs", "disk.qcow2"
"""Their names in the machine's directory."""

_REMEMBERED = "started.json"


class PortTaken(BrokenEnvironment):
    """The one port that a machine insists on is not free."""


@dataclass(frozen=True)
class Started:
    """What is remembered of a machine's QEMU process.

    Attributes:
        pid: Its process id.
        port: Where the guest's sshd is reached.
        marker: One of its arguments, which tells it from a stranger with the same id.
    """

    pid: int
    port: int
    marker: str

    @property
    def is_alive(self) -> bool:
        """Tell whether it still runs."""
        return process.is_running(self.pid, self.marker)

    def end(self) -> None:
        """End it; nothing if it is gone."""
        process.stop(self.pid, self.marker)


def running(directory: Path) -> Started | None:
    """Give the process of the machine in a directory; None when it has none."""
    try:
        started = Started(**json.loads((directory / _REMEMBERED).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return started if started.is_alive else None


def arguments(machine: Machine, boot: Boot, accel: str, directory: Path) -> list[str]:
    """Give what QEMU is started with for a machine, whether it boots or resumes, save for the network and its port."""
    argv = [PROGRAM, "-name", f"five-second-lab-{machine.name}"]
    argv += ["-accel", accel, "-cpu", "host" if accel == accelerator.KVM else "max"]
    argv += ["-smp", str(machine.cpus), "-m", str(machine.memory_mb)]
    argv += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", _marker(directory)]
    argv += ["-kernel", str(boot.kernel), "-initrd", str(directory / INITRAMFS), "-append", KERNEL_ARGUMENTS]
    return [*argv, *boot.devices(directory / DISK), *qmp.ARGUMENTS]


def start(machine: Machine, argv: Sequence[str], directory: Path, is_up: Callable[[Started], bool]) -> Started | None:
    """Start a machine's QEMU on its port, or on a free one.

    Args:
        machine: The machine.
        argv: Its `arguments`, and more.
        directory: Its directory.
        is_up: Waits until the guest is up, and tells whether it is.

    Returns:
        None when the guest did not come up; no process is left then, nor after an error.

    Raises:
        PortTaken: the machine insists on a port, and it is taken.
        BrokenEnvironment: QEMU could not be started.
    """
    # Not among the arguments that a saved state is made of: a figure that was measured is never quite the same.
    argv = [tsc.kernel_arguments(part) if part == KERNEL_ARGUMENTS else part for part in argv]
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
    """Give what a log holds; nothing when it is not there yet."""
    try:
        return log.read_text(errors="replace")
    except OSError:
        return ""


def _marker(directory: Path) -> str:
    return f"file:{directory / CONSOLE}"
