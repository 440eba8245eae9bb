"""The embedded provider: QEMU started directly, on the shared guest image, reached over loopback only."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import keys, process
from lab.catalogue.machine import Debian, Machine
from lab.endpoint import Endpoint
from lab.errors import BadInput, BrokenEnvironment
from lab.files import require_space, write_whole
from lab.home import PROVISION, Home
from lab.image import build as image_build
from lab.image import initramfs
from lab.image.recipe import KERNEL_ARGUMENTS, Recipe
from lab.provider import accelerator
from lab.provider.base import HOST, State, free_port
from lab.ssh import Shell
from lab.work import Work

HALT_BOUND_S = 15.0
"""For the guest's own shutdown; after that it is switched off."""

LISTENING = "Server listening on"
"""sshd's own words on the console: see provision/image/rootfs/etc/inittab."""

PORT_TRIES = 5
"""A free port can be taken between our look and QEMU's; a few tries settle it."""

DISK_GROWTH_MB = 200
"""What a machine's own disk may come to hold."""


@dataclass(frozen=True)
class _Started:
    """What is remembered of a machine's QEMU process."""

    pid: int
    port: int
    marker: str


class Qemu:
    """Runs each machine as one QEMU process on an overlay of the shared image.

    Args:
        home: Where machines and the image cache lie.
        work: Told of each step.
    """

    def __init__(self, home: Home, work: Work) -> None:
        self._home = home
        self._work = work

    def state(self, machine: Machine) -> State:
        """Tell how far the machine's life has come."""
        if self._running(machine):
            return State.RUNNING
        return State.HALTED if (self._home.machine(machine.name) / "disk.qcow2").exists() else State.ABSENT

    def endpoint(self, machine: Machine) -> Endpoint:
        """Give the endpoint of a running machine.

        Raises:
            BrokenEnvironment: it is not running.
        """
        started = self._running(machine)
        if started is None:
            raise BrokenEnvironment(
                f"{machine.name} is {self.state(machine)}, not running", hint=f"bring it up: lab up {machine.name}"
            )
        return self._endpoint(machine, started.port)

    def prepare(self, machines: Sequence[Machine]) -> None:
        """Build the guest image, when there is none of today's recipe."""
        del machines  # it is the same for all
        process.require("qemu-system-x86_64", "qemu-system-x86")
        self._image()

    def up(self, machine: Machine) -> Endpoint:
        """Bring the machine up until sshd listens.

        Raises:
            BrokenEnvironment: QEMU, the image, space or a port is missing, or the guest did not boot.
            Cancelled: the work was cancelled. In either case no process of the machine is left.
        """
        started = self._running(machine)
        if started is not None:
            return self._endpoint(machine, started.port)
        self.prepare([machine])
        image = self._image()
        series = _series(machine)
        if series not in image.releases:
            raise BrokenEnvironment(
                f"{machine.name}: the guest image has no kernel {series}; it has: {', '.join(image.releases)}"
            )
        accel = accelerator.choose(image.kernel(series), self._home.cache, self._work)
        directory = self._home.machine(machine.name)
        self._make_disk(machine, image, directory)
        with self._work.step(f"booting kernel {image.releases[series]}", machine.name):
            started = self._boot(machine, image, accel, directory)
        return self._endpoint(machine, started.port)

    def halt(self, machine: Machine) -> None:
        """Shut the guest down; switch it off when it does not answer."""
        started = self._running(machine)
        if started is None:
            return
        with self._work.step("halting", machine.name):
            # A guest that hangs cannot be asked, and must go all the same.
            with (
                contextlib.suppress(BrokenEnvironment),
                Shell(self._endpoint(machine, started.port), self._work) as shell,
            ):
                shell.run(["busybox", "reboot"], bound_s=HALT_BOUND_S)
                self._work.wait_until(lambda: self._running(machine) is None, HALT_BOUND_S)
            self.switch_off(machine)

    def switch_off(self, machine: Machine) -> None:
        """Stop the machine at once, as by its power button; its disk stays."""
        started = self._running(machine)
        if started is not None:
            process.stop(started.pid, started.marker)

    def destroy(self, machine: Machine) -> None:
        """Switch the machine off and remove all that is its own."""
        directory = self._home.machine(machine.name)
        if not directory.exists():
            return
        with self._work.step("destroying", machine.name, tidying=True):
            self.switch_off(machine)
            shutil.rmtree(directory, ignore_errors=True)

    def _image(self) -> image_build.Image:
        return image_build.ensure(Recipe.from_environment(PROVISION), self._home.cache, self._work)

    def _endpoint(self, machine: Machine, port: int) -> Endpoint:
        directory = self._home.machine(machine.name)
        login = keys.ensure(self._home.path / "keys" / "login")
        host_key = keys.ensure(directory / "host_key")
        return Endpoint(machine.name, HOST, port, "root", login.private, host_key.public)

    def _running(self, machine: Machine) -> _Started | None:
        directory = self._home.machine(machine.name)
        try:
            started = _Started(**json.loads((directory / "started.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return started if process.is_running(started.pid, started.marker) else None

    def _make_disk(self, machine: Machine, image: image_build.Image, directory: Path) -> None:
        disk, made_of = directory / "disk.qcow2", directory / "image"
        if disk.exists() and made_of.exists() and made_of.read_text() == image.path.name:
            return
        if disk.exists():
            self._work.note("the guest image has changed: its disk is made anew", machine.name)
        with self._work.step("making its disk, an overlay of the guest image", machine.name):
            require_space(directory, DISK_GROWTH_MB)
            unfinished = directory / "disk.unfinished"
            process.run(
                [
                    process.require("qemu-img", "qemu-utils"),
                    "create",
                    "-f",
                    "qcow2",
                    "-F",
                    "raw",
                    "-b",
                    image.disk,
                    unfinished,
                ],
                work=self._work,
                log=directory / "qemu-img.log",
                bound_s=60,
            )
            unfinished.replace(disk)
            write_whole(made_of, image.path.name)

    def _seed(self, machine: Machine, image: image_build.Image, directory: Path) -> Path:
        """Append what makes the guest this machine to its initramfs: name and keys."""
        with tempfile.TemporaryDirectory(dir=directory, prefix="seed-") as name:
            seed = Path(name) / "tree" / "seed"
            seed.mkdir(parents=True)
            host_key = keys.ensure(directory / "host_key")
            login = keys.ensure(self._home.path / "keys" / "login")
            (seed / "hostname").write_text(machine.name + "\n")
            (seed / "host_key").write_bytes(host_key.private.read_bytes())
            (seed / "authorized_keys").write_text(login.public + "\n")
            archive = Path(name) / "seed.cpio"
            initramfs.pack(seed.parent, archive, work=self._work, log=directory / "cpio.log")
            base = image.initramfs(_series(machine)).read_bytes()
            # Archives may follow one another, aligned to four bytes (Documentation/driver-api/early-userspace).
            padding = b"\0" * (-len(base) % 4)
            write_whole(directory / "initramfs", base + padding + archive.read_bytes(), mode=0o600)
        return directory / "initramfs"

    def _boot(self, machine: Machine, image: image_build.Image, accel: str, directory: Path) -> _Started:
        seeded = self._seed(machine, image, directory)
        for _ in range(PORT_TRIES):
            port = machine.ssh_port or free_port()
            started = self._start(machine, image=image, seeded=seeded, accel=accel, port=port, directory=directory)
            try:
                if self._listens(started, directory, machine.boot_bound_s):
                    return started
            except BaseException:
                process.stop(started.pid, started.marker)
                raise
            process.stop(started.pid, started.marker)
            if "Could not set up host forwarding rule" not in _text(directory / "qemu.log"):
                break
            if machine.ssh_port:
                raise BrokenEnvironment(
                    f"{machine.name}: port {port} on {HOST} is taken",
                    hint=f"free it, or leave ssh_port out of {machine.name}.toml: the lab then takes a free one",
                )
        said = process.last_lines(directory / "qemu.log") or process.last_lines(directory / "console.log")
        raise BrokenEnvironment(
            f"{machine.name} did not boot within {machine.boot_bound_s:.0f} s or ended by itself",
            hint=said,
            evidence=directory / "console.log",
        )

    def _start(  # noqa: PLR0913  the parts of one command line
        self, machine: Machine, *, image: image_build.Image, seeded: Path, accel: str, port: int, directory: Path
    ) -> _Started:
        console = directory / "console.log"
        console.unlink(missing_ok=True)
        marker = f"file:{console}"
        forward = f"user,id=net,restrict=on,hostfwd=tcp:{HOST}:{port}-:22"
        disk = f"file={directory / 'disk.qcow2'},if=virtio,format=qcow2,cache=unsafe"
        argv: list[str | Path] = ["qemu-system-x86_64", "-name", f"five-second-lab-{machine.name}"]
        argv += ["-accel", accel, "-cpu", "host" if accel == accelerator.KVM else "max"]
        argv += ["-smp", str(machine.cpus), "-m", str(machine.memory_mb)]
        argv += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", marker]
        argv += ["-kernel", image.kernel(_series(machine)), "-initrd", seeded, "-append", KERNEL_ARGUMENTS]
        argv += ["-drive", disk, "-netdev", forward, "-device", "virtio-net-pci,netdev=net,romfile="]
        pid = process.start(argv, log=directory / "qemu.log", cwd=directory)
        started = _Started(pid, port, marker)
        write_whole(directory / "started.json", json.dumps(asdict(started)))
        return started

    def _listens(self, started: _Started, directory: Path, bound_s: float) -> bool:
        def settled() -> bool:
            return LISTENING in _text(directory / "console.log") or not process.is_running(started.pid, started.marker)

        self._work.wait_until(settled, bound_s)
        return LISTENING in _text(directory / "console.log")


def _series(machine: Machine) -> str:
    if not isinstance(machine.system, Debian):
        raise BadInput(f"{machine.name}: {machine.title} cannot be brought up by the embedded provider")
    return machine.system.kernel


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
