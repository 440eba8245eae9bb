"""The embedded provider: QEMU started directly on the shared guest image, reachable over loopback only."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.endpoint.endpoint import Endpoint
from lab.foundation import keys, process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.files import require_space, write_whole
from lab.foundation.home import PROVISION, Home
from lab.foundation.later import Later
from lab.foundation.work import Work
from lab.provider import qemu_process
from lab.provider.base import HOST, State
from lab.provider.qemu_process import CONSOLE, DISK, INITRAMFS, LOG, Started, text_of
from lab.provider.saved import Ingredients, SavedState

if TYPE_CHECKING:
    from lab.catalogue.machine import Machine
    from lab.endpoint import ssh
    from lab.image import build as image_build
    from lab.image import initramfs, recipe
    from lab.provider import accelerator, boot, clock, console, ingredients, snapshot
    from lab.provider.boot import Boot
else:
    accelerator = Later("lab.provider.accelerator")
    boot = Later("lab.provider.boot")
    clock = Later("lab.provider.clock")
    console = Later("lab.provider.console")
    image_build = Later("lab.image.build")
    ingredients = Later("lab.provider.ingredients")
    initramfs = Later("lab.image.initramfs")
    recipe = Later("lab.image.recipe")
    snapshot = Later("lab.provider.snapshot")
    ssh = Later("lab.endpoint.ssh")

HALT_BOUND_S = 15.0
"""Timeout of the guest's shutdown, after which it is switched off."""

LISTENING = "Server listening on"
"""sshd's message on the console: see provision/image/rootfs/etc/inittab."""

SEED_BYTES = 1024
"""Twice the size of an old kernel's input pool: the second half is credited bit by bit (image/login/login.c)."""

DISK_GROWTH_MB = 200
"""Disk space that a machine's own disk may need."""


class Qemu:
    """Runs each machine as one QEMU process on an overlay of the shared image.

    Args:
        home: Directory of machines and image cache.
        work: Reports each step.
    """

    def __init__(self, home: Home, work: Work) -> None:
        self._home = home
        self._work = work

    def state(self, machine: Machine) -> State:
        """Return the machine's state."""
        if self._running(machine):
            return State.RUNNING
        return State.HALTED if (self._home.machine(machine.name) / DISK).exists() else State.ABSENT

    def endpoint(self, machine: Machine) -> Endpoint:
        """Return the endpoint of a running machine.

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
        """Build the guest image, if there is none for the current recipe."""
        del machines  # all use the same image
        process.require("qemu-system-x86_64", "qemu-system-x86")
        self._image()

    def up(self, machine: Machine) -> Endpoint:
        """Bring the machine up until sshd listens.

        Raises:
            BrokenEnvironment: QEMU, the image, disk space or a port is missing, or the guest did not boot.
            Cancelled: the work was cancelled. In either case no process of the machine is left.
        """
        started = self._running(machine)
        if started is not None and not snapshot.was_cut_off(self._home.machine(machine.name)):
            return self._endpoint(machine, started.port)
        self.switch_off(machine)
        image, argv = self._start_of(machine)
        directory = self._home.machine(machine.name)
        self._make_disk(machine, image, directory)
        boot_from = boot.of(machine, image, self._home)
        with self._work.step(f"booting kernel {boot_from.release}", machine.name):
            self._seed(machine, boot_from, directory)
            started = self._boot(machine, argv, directory)
        return self._endpoint(machine, started.port)

    def has_saved(self, machine: Machine) -> bool:
        """Return whether the machine has a saved state, whatever its cache key."""
        return SavedState(self._home.machine(machine.name)).exists()

    def can_resume(self, machine: Machine, provisioning: str) -> bool:
        """Return whether the machine has a saved state with the current cache key; a stale one is removed.

        Args:
            machine: The machine.
            provisioning: Identifies what was done to it before it was saved.
        """
        saved = SavedState(self._home.machine(machine.name))
        if not saved.exists():
            return False
        image, argv = self._start_of(machine)
        differs = saved.differs_in(self._ingredients(machine, image, argv, provisioning))
        if differs:
            saved.remove()
            self._work.note(f"it boots: its saved state was made with a different {', '.join(differs)}", machine.name)
        return not differs

    def resume(self, machine: Machine) -> float:
        """Restore a stopped machine from its saved state and disk; its clock did not run meanwhile.

        Returns:
            By how many seconds its clock is behind the host's.

        Raises:
            BrokenEnvironment: the state is damaged, or QEMU rejects it.
            Cancelled: the work was cancelled. In either case no process of the machine is left.
        """
        directory = self._home.machine(machine.name)
        _, argv = self._start_of(machine)
        return snapshot.resume(machine, argv, directory, self._work)

    def save(self, machine: Machine, provisioning: str, shell: ssh.Shell) -> None:
        """Snapshot a running machine, replacing the previous snapshot; it keeps running.

        Args:
            machine: The machine.
            provisioning: Identifies what was done to it.
            shell: A connection to it.

        Raises:
            StandsStill: it did not resume, and was switched off; the previous snapshot is kept.
            BrokenEnvironment: it could not be saved; the previous snapshot is kept, and it keeps running.
            Cancelled: the work was cancelled; the previous snapshot is kept, and it keeps running.
        """
        image, argv = self._start_of(machine)
        made_of = self._ingredients(machine, image, argv, provisioning)
        directory = self._home.machine(machine.name)
        behind_s = clock.behind_s(shell, directory / CONSOLE)
        try:
            snapshot.save(machine, directory, made_of, behind_s, self._work)
        except snapshot.StandsStill:
            self.switch_off(machine)
            raise

    def discard(self, machine: Machine) -> None:
        """Switch off a machine that could not be restored; remove its saved state and the disk restored from it."""
        self.switch_off(machine)
        directory = self._home.machine(machine.name)
        SavedState(directory).remove()
        (directory / DISK).unlink(missing_ok=True)

    def halt(self, machine: Machine) -> None:
        """Shut the guest down; switch it off when it does not answer."""
        started = self._running(machine)
        if started is None:
            return
        with self._work.step("halting", machine.name):
            # A guest that hangs does not answer, and is switched off below.
            with (
                contextlib.suppress(BrokenEnvironment),
                ssh.Shell(self._endpoint(machine, started.port), self._work) as shell,
            ):
                shell.run(["busybox", "reboot"], bound_s=HALT_BOUND_S)
                self._work.wait_until(lambda: self._running(machine) is None, HALT_BOUND_S)
            self.switch_off(machine)

    def switch_off(self, machine: Machine) -> None:
        """Stop the machine at once, like a power button; its disk is kept."""
        started = self._running(machine)
        if started is not None:
            started.end()

    def destroy(self, machine: Machine) -> None:
        """Switch the machine off and remove its files."""
        directory = self._home.machine(machine.name)
        if not directory.exists():
            return
        with self._work.step("destroying", machine.name, tidying=True):
            self.switch_off(machine)
            shutil.rmtree(directory, ignore_errors=True)

    def _image(self) -> image_build.Image:
        return image_build.ensure(recipe.Recipe.from_environment(PROVISION), self._home.cache, self._work)

    def _endpoint(self, machine: Machine, port: int) -> Endpoint:
        directory = self._home.machine(machine.name)
        login = keys.ensure(self._home.path / "keys" / "login")
        host_key = keys.ensure(directory / "host_key")
        return Endpoint(machine.name, HOST, port, "root", login.private, host_key.public)

    def _running(self, machine: Machine) -> Started | None:
        return qemu_process.running(self._home.machine(machine.name))

    def _start_of(self, machine: Machine) -> tuple[image_build.Image, list[str]]:
        """Return the image of a machine, and the arguments of its QEMU."""
        self.prepare([machine])
        image = self._image()
        boot_from = boot.of(machine, image, self._home)
        # Probe with a kernel that is known to boot.
        accel = accelerator.choose(next(map(image.kernel, image.releases)), self._home.cache, self._work)
        return image, qemu_process.arguments(machine, boot_from, accel, self._home.machine(machine.name))

    def _ingredients(
        self, machine: Machine, image: image_build.Image, argv: Sequence[str], provisioning: str
    ) -> Ingredients:
        host_key = keys.ensure(self._home.machine(machine.name) / "host_key")
        login = keys.ensure(self._home.path / "keys" / "login")
        return ingredients.of(
            machine,
            image=image.path.name,
            argv=argv,
            public_keys=[host_key.public, login.public],
            provisioning=provisioning,
        )

    def _make_disk(self, machine: Machine, image: image_build.Image, directory: Path) -> None:
        disk, made_of = directory / DISK, directory / "image"
        if disk.exists() and made_of.exists() and made_of.read_text() == image.path.name:
            return
        if disk.exists():
            self._work.note("the guest image has changed: recreating its disk", machine.name)
        with self._work.step("creating its disk, an overlay of the guest image", machine.name):
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

    def _seed(self, machine: Machine, boot_from: Boot, directory: Path) -> None:
        """Write the machine's initramfs with its host name, keys and random seed appended."""
        with tempfile.TemporaryDirectory(dir=directory, prefix="seed-") as name:
            seed = Path(name) / "tree" / "seed"
            seed.mkdir(parents=True)
            host_key = keys.ensure(directory / "host_key")
            login = keys.ensure(self._home.path / "keys" / "login")
            (seed / "hostname").write_text(machine.name + "\n")
            (seed / "host_key").write_bytes(host_key.private.read_bytes())
            (seed / "authorized_keys").write_text(login.public + "\n")
            (seed / "random").write_bytes(secrets.token_bytes(SEED_BYTES))
            archive = Path(name) / "seed.cpio"
            initramfs.pack(seed.parent, archive, work=self._work, log=directory / "cpio.log")
            # cpio archives may be concatenated, aligned to four bytes (Documentation/driver-api/early-userspace).
            parts = [part.read_bytes() for part in (*boot_from.initramfs, archive)]
            aligned = b"".join(part + b"\0" * (-len(part) % 4) for part in parts)
            write_whole(directory / INITRAMFS, aligned, mode=0o600)

    def _boot(self, machine: Machine, argv: Sequence[str], directory: Path) -> Started:
        ending = console.Ending(0.0, by_itself=True)

        def listens(started: Started) -> bool:
            nonlocal ending
            began = time.monotonic()
            self._work.wait_until(lambda: is_listening() or has_given_up(started), machine.boot_bound_s)
            ending = console.Ending(time.monotonic() - began, by_itself=not started.is_alive)
            return is_listening()

        def is_listening() -> bool:
            return LISTENING in text_of(directory / CONSOLE)

        def has_given_up(started: Started) -> bool:
            return not started.is_alive or console.has_halted(text_of(directory / CONSOLE))

        started = qemu_process.start(machine, argv, directory, listens)
        if started is None:
            why, help_ = console.failure(text_of(directory / CONSOLE), ending)
            raise BrokenEnvironment(
                f"{machine.name} did not boot: {why}",
                hint=process.last_lines(directory / LOG) or help_ or process.last_lines(directory / CONSOLE),
                evidence=directory / CONSOLE,
            )
        return started
