"""The Vagrant provider: real CentOS, or the lab's own image as a box."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Callable, Sequence

from lab.catalogue.machine import Box, CentOS, Debian, Hypervisor, Machine
from lab.endpoint.endpoint import Endpoint
from lab.endpoint.ssh import LOGIN_BOUND_S, answers
from lab.foundation import keys, process
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.files import write_whole
from lab.foundation.home import PROJECT, PROVISION, Home
from lab.foundation.work import Work
from lab.image import build as image_build
from lab.image.recipe import Recipe
from lab.provider import libvirt
from lab.provider.accelerator import Acceleration
from lab.provider.base import HOST, State, free_port
from lab.provider.own_box import OwnBox
from lab.provider.vagrant_cli import BoxMissingError, NotBootedError, VagrantCommand
from lab.provider.vagrant_directory import VagrantDirectory
from lab.provider.vagrantfile import BOOT_ATTEMPTS, Setting, render

TEMPLATE = PROJECT / "Vagrantfile.j2"
LOGIN_SCRIPT = PROVISION / "vagrant" / "login.sh"

VAGRANT_PROVIDER = {
    Hypervisor.VIRTUALBOX: "virtualbox",
    Hypervisor.LIBVIRT: "libvirt",
    Hypervisor.LIBVIRT_SESSION: "libvirt",
    Hypervisor.QEMU: "qemu",
}
"""Vagrant's names for hypervisors."""

HALT_BOUND_S = 120.0
"""Timeout of the guest's shutdown, after which it is switched off."""

_HOST_KEY = re.compile(r"lab: host key: (ecdsa-sha2-nistp256 [A-Za-z0-9+/=]+)\s")
"""Output of provision/vagrant/login.sh, anywhere in Vagrant's log."""

_RUNNING = frozenset({"running", "inaccessible"})
"""Vagrant providers' names for states with a running kernel; libvirt's plugin uses "inaccessible" when the guest agent
does not answer."""


class Vagrant:
    """Brings each machine up in a separate directory, with a Vagrantfile rendered for it.

    Args:
        home: Directory of the machines.
        work: Reports each step.
        hypervisor: The hypervisor of the guests.
        acceleration: Returns whether it has hardware virtualisation here; called only when a machine is created.
    """

    def __init__(
        self, home: Home, work: Work, hypervisor: Hypervisor, acceleration: Callable[[], Acceleration]
    ) -> None:
        self._home = home
        self._work = work
        self._hypervisor = hypervisor
        self._acceleration = acceleration
        lab_id = hashlib.sha256(str(home.path).encode()).hexdigest()[:8]
        self._prefix = f"five-second-lab-{lab_id}-"
        self._own_box = OwnBox(home, lab_id, hypervisor, self._uri if self._by_libvirt else None)

    def state(self, machine: Machine) -> State:
        """Return the machine's state."""
        if not self._directory(machine).is_known:
            return State.ABSENT
        if self._directory(machine).host_key and answers(HOST, self._directory(machine).ssh_port):
            # Avoids `vagrant status`, which takes a second.
            return State.RUNNING
        (status,) = self._command(machine).status()
        if status.state in _RUNNING:
            return State.RUNNING
        return State.ABSENT if status.state == "not_created" else State.HALTED

    def endpoint(self, machine: Machine) -> Endpoint:
        """Return the endpoint of a running machine.

        Raises:
            BrokenEnvironment: it is not running, or its creation was never completed.
        """
        state = self.state(machine)
        if state is not State.RUNNING:
            raise BrokenEnvironment(
                f"{machine.name} is {state}, not running", hint=f"bring it up: lab up {machine.name}"
            )
        return self._endpoint(machine)

    def prepare(self, machines: Sequence[Machine]) -> None:
        """Build the box of the lab's image and add it to Vagrant, if one of these machines needs it."""
        if any(isinstance(machine.system, Debian) and not self._directory(machine).is_known for machine in machines):
            self._own_box.take_in(self._work)

    def up(self, machine: Machine) -> Endpoint:
        """Bring the machine up until Vagrant has logged in to it.

        Raises:
            BrokenEnvironment: Vagrant, a plugin, the box, disk space or a port is missing, or the guest did not boot.
            Cancelled: the work was cancelled; Vagrant has cleaned up.
        """
        state = self.state(machine)
        if state is State.RUNNING and not self._answers_soon(machine):
            # After a reboot: libvirt's plugin forwards a guest's port only when it boots the guest itself.
            self._work.note("it runs, but its SSH server does not answer: booting it again", machine.name)
            self.halt(machine)
            state = State.HALTED
        if state is State.RUNNING and self._directory(machine).host_key:
            return self._endpoint(machine)
        if state is State.ABSENT:
            self._make(machine)
        else:
            with self._work.step("vagrant up", machine.name):
                self._vagrant_up(machine)
        if not self._directory(machine).host_key:
            # Interrupted after the boot and before the lab's key was installed.
            with self._work.step("vagrant provision", machine.name):
                self._command(machine).provision()
            self._note_host_key(machine)
        return self._endpoint(machine)

    def switch_off(self, machine: Machine) -> None:
        """Stop the machine at once, like a power button; its disk is kept."""
        if self._by_libvirt:
            # Not through Vagrant, which may have been killed before it stored the id of its domain.
            libvirt.switch_off(self._uri, self._prefix + machine.name)
            self._close_forwards(machine)
        elif self.state(machine) is State.RUNNING:
            command = self._command(machine, tidying=True)
            command.bound_s = HALT_BOUND_S
            command.halt(force=True)

    def halt(self, machine: Machine) -> None:
        """Shut the guest down; switch it off when it does not answer."""
        if self.state(machine) is not State.RUNNING:
            return
        with self._work.step("vagrant halt", machine.name):
            command = self._command(machine)
            command.bound_s = HALT_BOUND_S
            with contextlib.suppress(BrokenEnvironment):
                command.halt()
            self.switch_off(machine)

    def destroy(self, machine: Machine) -> None:
        """Remove the machine; the lab's box is removed by `tidy`, other boxes are kept for the next time.

        Raises:
            BrokenEnvironment: Vagrant failed; what is left can be removed by another attempt.
        """
        directory = self._directory(machine)
        if not directory.path.exists():
            return
        with self._work.step("vagrant destroy", machine.name, tidying=True):
            try:
                if self._directory(machine).is_known:
                    self._command(machine, tidying=True).destroy()
            except BrokenEnvironment:
                # A Vagrant that was killed may not know its domain; the domain is removed from libvirt below.
                if not self._by_libvirt:
                    raise
            if self._by_libvirt:
                libvirt.remove(self._uri, self._prefix + machine.name)
                self._close_forwards(machine)
            shutil.rmtree(directory.path)

    def tidy(self) -> None:
        """Remove the lab's box when no machine needs it, and make Vagrant forget machines that no longer exist.

        Raises:
            BrokenEnvironment: Vagrant or libvirt failed; it is retried the next time.
        """
        if not any(self._home.path.glob("machines/*/Vagrantfile")):
            with self._work.step("removing the guest image's box from Vagrant", tidying=True):
                self._own_box.give_back(Work())

    def rendered(self, machine: Machine, box: Box | None = None, ssh_port: int | None = None) -> str:
        """Return the machine's Vagrantfile; creates nothing but the lab's key.

        Args:
            machine: The machine.
            box: The box to start from; None for the first one.
            ssh_port: The port forwarded to its SSH server; None for a free one.
        """
        login = keys.ensure(self._home.path / "keys" / "login")
        setting = Setting(
            hypervisor=self._hypervisor,
            accelerated=self._acceleration().works is True,
            box=box or self.boxes(machine)[0],
            ssh_port=ssh_port or machine.ssh_port or free_port(),
            key_file=login.private,
            public_key=login.public,
            prefix=self._prefix,
            direct_kernel=self._directory(machine).direct_kernel(machine),
        )
        return render(TEMPLATE, machine, setting)

    def boxes(self, machine: Machine) -> list[Box]:
        """Return the boxes that a machine may be created from, in the order of preference.

        Raises:
            BadInput: there is none for this hypervisor.
        """
        if isinstance(machine.system, CentOS):
            boxes = [box for box in machine.system.boxes if self._hypervisor in box.hypervisors]
            if not boxes:
                raise BadInput(f"{machine.name}: its TOML file has no box for {self._hypervisor}")
            return boxes
        return [self._own_box.box]

    def remake(self, machine: Machine) -> bool:
        """Recreate a machine from the next of its boxes; return whether there was one.

        Raises:
            BrokenEnvironment: none of the remaining boxes comes up.
        """
        used = self._directory(machine).box_number + 1
        if used >= len(self.boxes(machine)):
            return False
        self.destroy(machine)
        self._make(machine, first=used)
        return True

    def _make(self, machine: Machine, first: int = 0) -> None:
        """Create a machine from the first of its boxes that comes up, starting with number `first`."""
        if self._by_libvirt:
            # A domain left by a killed Vagrant would conflict, and Vagrant does not know about it.
            libvirt.remove(self._uri, self._prefix + machine.name)
        self.prepare([machine])
        directory = self._directory(machine)
        directory.path.mkdir(parents=True, exist_ok=True)
        directory.delete_host_key()
        shutil.copy(LOGIN_SCRIPT, directory.path / "login.sh")
        self._copy_kernel(machine)
        self._note_emulation(machine)
        port = machine.ssh_port or free_port()
        boxes = self.boxes(machine)
        for number, box in list(enumerate(boxes))[first:]:
            directory.store_origin(port, number)
            write_whole(directory.vagrantfile, self.rendered(machine, box, port), mode=0o600)
            named = f"{box.name} {box.version}" if box.version and isinstance(machine.system, CentOS) else box.name
            step = self._work.step(f"vagrant up, box {named}", machine.name)
            try:
                with self._own_box.first_alone(box, self._work), step:
                    self._vagrant_up(machine)
                break
            except BoxMissingError as error:
                if number == len(boxes) - 1:
                    raise
                problem = error.message.removeprefix(f"{machine.name}: ")
                self._work.note(f"{box.name}: {problem}: trying the next box", machine.name)
        self._note_host_key(machine)

    def _note_emulation(self, machine: Machine) -> None:
        """Report software emulation and its reason; VirtualBox has none and fails by itself."""
        acceleration = self._acceleration()
        if acceleration.works is not True and self._hypervisor is not Hypervisor.VIRTUALBOX:
            self._work.note(f"software emulation, which is slow: {acceleration.reason}", machine.name)

    def _vagrant_up(self, machine: Machine) -> None:
        for attempts_left in reversed(range(BOOT_ATTEMPTS)):
            try:
                self._command(machine).up(provider=VAGRANT_PROVIDER[self._hypervisor])
            except NotBootedError:
                if attempts_left == 0:
                    raise
                self._work.note("the guest did not answer in time: trying again", machine.name)
            else:
                return

    def _close_forwards(self, machine: Machine) -> None:
        login = keys.ensure(self._home.path / "keys" / "login")
        libvirt.close_forwards(self._directory(machine).path, login.private)

    @property
    def _by_libvirt(self) -> bool:
        return VAGRANT_PROVIDER[self._hypervisor] == "libvirt"

    @property
    def _uri(self) -> str:
        return libvirt.SESSION if self._hypervisor is Hypervisor.LIBVIRT_SESSION else libvirt.SYSTEM

    def _copy_kernel(self, machine: Machine) -> None:
        """Copy the kernel to the machine's directory, because the image it came with may be replaced."""
        kernel = self._directory(machine).direct_kernel(machine)
        if kernel is None or not isinstance(machine.system, Debian):
            return
        image = image_build.ensure(Recipe.from_environment(PROVISION), self._home.cache, self._work)
        series = machine.system.kernel
        if series not in image.releases:
            raise BrokenEnvironment(
                f"{machine.name}: the guest image has no kernel {series}; it has: {', '.join(image.releases)}"
            )
        shutil.copy(image.kernel(series), kernel.kernel)
        shutil.copy(image.initramfs(series), kernel.initramfs)

    def _directory(self, machine: Machine) -> VagrantDirectory:
        return VagrantDirectory(self._home.machine(machine.name))

    def _command(self, machine: Machine, *, tidying: bool = False) -> VagrantCommand:
        # Cleaning up must not be stopped by a cancelled command.
        return VagrantCommand(self._directory(machine).path, Work() if tidying else self._work, machine.name)

    def _note_host_key(self, machine: Machine) -> None:
        """Store the guest's SSH host key, which was printed during Vagrant's first login."""
        log = self._command(machine).log
        reported = _HOST_KEY.findall(log.read_text(errors="replace"))
        if not reported:
            raise BrokenEnvironment(
                f"{machine.name}: Vagrant ran login.sh, but the guest did not print its host key",
                hint=process.last_lines(log),
                evidence=log,
            )
        self._directory(machine).store_host_key(reported[-1])

    def _answers_soon(self, machine: Machine) -> bool:
        """Return whether its SSH server answers within the login timeout; a busy host may need seconds."""
        port = self._directory(machine).ssh_port
        return self._work.wait_until(lambda: answers(HOST, port, LOGIN_BOUND_S), LOGIN_BOUND_S) is not None

    def _endpoint(self, machine: Machine) -> Endpoint:
        login = keys.ensure(self._home.path / "keys" / "login")
        host_key = self._directory(machine).host_key
        if host_key is None:
            raise BrokenEnvironment(
                f"{machine.name} was never brought up completely", hint=f"bring it up: lab up {machine.name}"
            )
        return Endpoint(machine.name, HOST, self._directory(machine).ssh_port, "root", login.private, host_key)
