"""The Vagrant provider: real CentOS, or the lab's own image as a box."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from lab import keys, process
from lab.catalogue.machine import Box, CentOS, Debian, Hypervisor, Machine
from lab.endpoint import Endpoint
from lab.errors import BadInput, BrokenEnvironment
from lab.files import write_whole
from lab.home import PROJECT, PROVISION, Home
from lab.image import build as image_build
from lab.image.recipe import KERNEL_ARGUMENTS, Recipe
from lab.provider import libvirt, tsc
from lab.provider.base import HOST, State, free_port
from lab.provider.own_box import OwnBox
from lab.provider.vagrant_cli import BoxMissingError, NotBootedError, VagrantCommand
from lab.provider.vagrantfile import BOOT_ATTEMPTS, DirectKernel, Setting, render
from lab.ssh import LOGIN_BOUND_S, answers
from lab.work import Work

TEMPLATE = PROJECT / "Vagrantfile.j2"
LOGIN_SCRIPT = PROVISION / "vagrant" / "login.sh"

VAGRANT_PROVIDER = {
    Hypervisor.VIRTUALBOX: "virtualbox",
    Hypervisor.LIBVIRT: "libvirt",
    Hypervisor.LIBVIRT_SESSION: "libvirt",
    Hypervisor.QEMU: "qemu",
}
"""What Vagrant calls each."""

HALT_BOUND_S = 120.0
"""For the guest's own shutdown, as Vagrant sees it; after that it is switched off."""

_HOST_KEY = re.compile(r"lab: host key: (ecdsa-sha2-nistp256 [A-Za-z0-9+/=]+)\s")
"""What provision/vagrant/login.sh says, wherever Vagrant puts it."""

_RUNNING = frozenset({"running", "inaccessible"})
"""The states in which a guest's kernel runs, as Vagrant's providers call them; libvirt's plugin calls a guest whose
agent does not answer inaccessible."""


class Vagrant:
    """Brings each machine up in a directory of its own, with a Vagrantfile rendered for it.

    Args:
        home: Where machines lie.
        work: Told of each step.
        hypervisor: What runs the guests.
        accelerated: Tells whether it has hardware virtualisation here; asked only when a machine is made.
    """

    def __init__(self, home: Home, work: Work, hypervisor: Hypervisor, accelerated: Callable[[], bool]) -> None:
        self._home = home
        self._work = work
        self._hypervisor = hypervisor
        self._accelerated = accelerated
        lab_id = hashlib.sha256(str(home.path).encode()).hexdigest()[:8]
        self._prefix = f"five-second-lab-{lab_id}-"
        self._own_box = OwnBox(home, lab_id, hypervisor, self._uri if self._by_libvirt else None)

    def state(self, machine: Machine) -> State:
        """Tell how far the machine's life has come."""
        if not self._is_known(machine):
            return State.ABSENT
        if self._host_key(machine) and answers(HOST, self._ssh_port(machine)):
            # Vagrant would take a second to say so.
            return State.RUNNING
        (status,) = self._command(machine).status()
        if status.state in _RUNNING:
            return State.RUNNING
        return State.ABSENT if status.state == "not_created" else State.HALTED

    def endpoint(self, machine: Machine) -> Endpoint:
        """Give the endpoint of a running machine.

        Raises:
            BrokenEnvironment: it is not running, or was never brought up to its end.
        """
        state = self.state(machine)
        if state is not State.RUNNING:
            raise BrokenEnvironment(
                f"{machine.name} is {state}, not running", hint=f"bring it up: lab up {machine.name}"
            )
        return self._endpoint(machine)

    def prepare(self, machines: Sequence[Machine]) -> None:
        """Make the box of the lab's image and give it to Vagrant, when one of these machines needs it."""
        if any(isinstance(machine.system, Debian) and not self._is_known(machine) for machine in machines):
            self._own_box.take_in(self._work)

    def up(self, machine: Machine) -> Endpoint:
        """Bring the machine up until Vagrant has logged in to it.

        Raises:
            BrokenEnvironment: Vagrant, a plugin, the box, space or a port is missing, or the guest did not boot.
            Cancelled: the work was cancelled; Vagrant has undone what it was doing.
        """
        state = self.state(machine)
        if state is State.RUNNING and not self._answers_soon(machine):
            # Whoever rebooted it: libvirt's plugin opens the way to a guest's port when it boots one, and never again.
            self._work.note("it runs, but its SSH server does not answer: booting it anew", machine.name)
            self.halt(machine)
            state = State.HALTED
        if state is State.RUNNING and self._host_key(machine):
            return self._endpoint(machine)
        if state is State.ABSENT:
            self._make(machine)
        else:
            with self._work.step("vagrant up", machine.name):
                self._vagrant_up(machine)
        if not self._host_key(machine):
            # Cut off after the boot and before the lab's key was in.
            with self._work.step("vagrant provision", machine.name):
                self._command(machine).provision()
            self._note_host_key(machine)
        return self._endpoint(machine)

    def switch_off(self, machine: Machine) -> None:
        """Stop the machine at once, as by its power button; its disk stays."""
        if self._by_libvirt:
            # Not by way of Vagrant, which was perhaps cut off before it wrote down which domain is its own.
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
        """Remove the machine; the lab's box goes with `tidy`, boxes from elsewhere stay for the next time.

        Raises:
            BrokenEnvironment: Vagrant failed; what it left is still known, so that it can be tried again.
        """
        directory = self._directory(machine)
        if not directory.exists():
            return
        with self._work.step("vagrant destroy", machine.name, tidying=True):
            try:
                if self._is_known(machine):
                    self._command(machine, tidying=True).destroy()
            except BrokenEnvironment:
                # A Vagrant that was killed may not know its domain any more; what libvirt knows is removed even so.
                if not self._by_libvirt:
                    raise
            if self._by_libvirt:
                libvirt.remove(self._uri, self._prefix + machine.name)
                self._close_forwards(machine)
            shutil.rmtree(directory)

    def tidy(self) -> None:
        """Give the lab's box back when no machine needs it any more, and have Vagrant forget machines that are gone.

        Raises:
            BrokenEnvironment: Vagrant or libvirt failed; it is tried again the next time.
        """
        if not any(self._home.path.glob("machines/*/Vagrantfile")):
            with self._work.step("giving back Vagrant's box of the guest image", tidying=True):
                self._own_box.give_back(Work())

    def rendered(self, machine: Machine, box: Box | None = None, ssh_port: int | None = None) -> str:
        """Give the machine's Vagrantfile; touches nothing but the lab's key.

        Args:
            machine: The machine.
            box: The box to start from; the first there is for None.
            ssh_port: The port that leads to its SSH server; one that is free now for None.
        """
        login = keys.ensure(self._home.path / "keys" / "login")
        setting = Setting(
            hypervisor=self._hypervisor,
            accelerated=self._accelerated(),
            box=box or self.boxes(machine)[0],
            ssh_port=ssh_port or machine.ssh_port or free_port(),
            key_file=login.private,
            public_key=login.public,
            prefix=self._prefix,
            direct_kernel=self._direct_kernel(machine),
        )
        return render(TEMPLATE, machine, setting)

    def boxes(self, machine: Machine) -> list[Box]:
        """Give the boxes a machine may start from, in the order they are tried.

        Raises:
            BadInput: there is none for this hypervisor.
        """
        if isinstance(machine.system, CentOS):
            boxes = [box for box in machine.system.boxes if self._hypervisor in box.hypervisors]
            if not boxes:
                raise BadInput(f"{machine.name}: its TOML file has no box for {self._hypervisor}")
            return boxes
        return [self._own_box.box]

    def _make(self, machine: Machine) -> None:
        if self._by_libvirt:
            # What a Vagrant left that was killed over it would be in the way, and Vagrant knows nothing of it.
            libvirt.remove(self._uri, self._prefix + machine.name)
        self.prepare([machine])
        directory = self._directory(machine)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "host_key.pub").unlink(missing_ok=True)
        shutil.copy(LOGIN_SCRIPT, directory / "login.sh")
        self._copy_kernel(machine)
        port = machine.ssh_port or free_port()
        write_whole(directory / "vagrant.json", json.dumps({"ssh_port": port}))
        boxes = self.boxes(machine)
        for number, box in enumerate(boxes, start=1):
            write_whole(directory / "Vagrantfile", self.rendered(machine, box, port), mode=0o600)
            named = f"{box.name} {box.version}" if box.version and isinstance(machine.system, CentOS) else box.name
            step = self._work.step(f"vagrant up, box {named}", machine.name)
            try:
                with self._own_box.first_alone(box, self._work), step:
                    self._vagrant_up(machine)
                break
            except BoxMissingError as error:
                if number == len(boxes):
                    raise
                problem = error.message.removeprefix(f"{machine.name}: ")
                self._work.note(f"{box.name}: {problem}: trying the next box", machine.name)
        self._note_host_key(machine)

    def _vagrant_up(self, machine: Machine) -> None:
        for attempts_left in reversed(range(BOOT_ATTEMPTS)):
            try:
                self._command(machine).up(provider=VAGRANT_PROVIDER[self._hypervisor])
            except NotBootedError:
                if attempts_left == 0:
                    raise
                self._work.note("the guest did not answer in time: trying once more", machine.name)
            else:
                return

    def _close_forwards(self, machine: Machine) -> None:
        login = keys.ensure(self._home.path / "keys" / "login")
        libvirt.close_forwards(self._directory(machine), login.private)

    @property
    def _by_libvirt(self) -> bool:
        return VAGRANT_PROVIDER[self._hypervisor] == "libvirt"

    @property
    def _uri(self) -> str:
        return "qemu:///session" if self._hypervisor is Hypervisor.LIBVIRT_SESSION else "qemu:///system"

    def _direct_kernel(self, machine: Machine) -> DirectKernel | None:
        if not isinstance(machine.system, Debian):
            return None
        directory = self._directory(machine)
        told = tsc.kernel_arguments(KERNEL_ARGUMENTS)
        return DirectKernel(directory / "vmlinuz", directory / "initramfs", told, directory / "console.log")

    def _copy_kernel(self, machine: Machine) -> None:
        """Keep the kernel for as long as the machine is there: the image it came with may be replaced."""
        kernel = self._direct_kernel(machine)
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

    def _directory(self, machine: Machine) -> Path:
        return self._home.machine(machine.name)

    def _command(self, machine: Machine, *, tidying: bool = False) -> VagrantCommand:
        # What tidies up is done even when the command was cancelled.
        return VagrantCommand(self._directory(machine), Work() if tidying else self._work, machine.name)

    def _host_key(self, machine: Machine) -> str | None:
        path = self._directory(machine) / "host_key.pub"
        return path.read_text().strip() if path.exists() else None

    def _note_host_key(self, machine: Machine) -> None:
        """Keep the key that the guest's SSH server will be known by; it came over Vagrant's own first login."""
        log = self._command(machine).log
        said = _HOST_KEY.findall(log.read_text(errors="replace"))
        if not said:
            raise BrokenEnvironment(
                f"{machine.name}: Vagrant ran login.sh, but the guest did not say its host key",
                hint=process.last_lines(log),
                evidence=log,
            )
        write_whole(self._directory(machine) / "host_key.pub", said[-1] + "\n")

    def _answers_soon(self, machine: Machine) -> bool:
        """Tell whether its SSH server answers, be it as late as a login may; on a busy host, seconds are nothing."""
        port = self._ssh_port(machine)
        return self._work.wait_until(lambda: answers(HOST, port, LOGIN_BOUND_S), LOGIN_BOUND_S) is not None

    def _endpoint(self, machine: Machine) -> Endpoint:
        login = keys.ensure(self._home.path / "keys" / "login")
        host_key = self._host_key(machine)
        if host_key is None:
            raise BrokenEnvironment(
                f"{machine.name} was never brought up to its end", hint=f"bring it up: lab up {machine.name}"
            )
        return Endpoint(machine.name, HOST, self._ssh_port(machine), "root", login.private, host_key)

    def _ssh_port(self, machine: Machine) -> int:
        return int(json.loads((self._directory(machine) / "vagrant.json").read_text())["ssh_port"])

    def _is_known(self, machine: Machine) -> bool:
        """Tell whether Vagrant was ever asked to bring the machine up."""
        return (self._directory(machine) / ".vagrant").exists()
