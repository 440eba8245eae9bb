"""The bed behind the lab's session: its provider yields an SSH endpoint like every other."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from lab.catalogue.machine import CentOS, Debian, Machine, System
from lab.endpoint.endpoint import Endpoint
from lab.endpoint.ssh import Shell
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import Home
from lab.foundation.work import Work
from lab.image.build import Image
from lab.provider.base import Provider, State
from lab.provider.choice import Choice
from lab.provider.host import Host
from lab.provider.qemu import HALT_BOUND_S, Qemu
from lab.session.providers import Providers


class _BedQemu(Qemu):
    """The embedded provider with the bed's image."""

    def __init__(self, home: Home, work: Work, image: Image) -> None:
        super().__init__(home, work)
        self._bed = image

    def _image(self) -> Image:
        return self._bed


class Bed:
    """Provider of machines whose system is CentOS, with the bed's image.

    Args:
        home: Directory of machines.
        work: Receives each step.
        image: The bed's image.
        port: Forwarded port of the machine's SSH server; unchanged by a reboot, as with Vagrant.
    """

    def __init__(self, home: Home, work: Work, image: Image, port: int) -> None:
        self._qemu = _BedQemu(home, work, image)
        self._work = work
        self._port = port

    def state(self, machine: Machine) -> State:
        """Return the state of the machine."""
        return self._qemu.state(machine)

    def prepare(self, machines: Sequence[Machine]) -> None:
        """Do nothing: the image exists."""

    def up(self, machine: Machine) -> Endpoint:
        """Boot the machine."""
        return self._qemu.up(_on_debian(machine, self._port))

    def endpoint(self, machine: Machine) -> Endpoint:
        """Return the endpoint of a running machine."""
        return self._qemu.endpoint(machine)

    def switch_off(self, machine: Machine) -> None:
        """Stop the machine at once."""
        self._qemu.switch_off(machine)

    def halt(self, machine: Machine) -> None:
        """Shut the machine down by its own reboot, after which its QEMU ends."""
        with contextlib.suppress(BrokenEnvironment), Shell(self.endpoint(machine), self._work) as shell:
            shell.run(["reboot"], bound_s=HALT_BOUND_S)
            self._work.wait_until(lambda: self.state(machine) is not State.RUNNING, HALT_BOUND_S)
        self.switch_off(machine)

    def destroy(self, machine: Machine) -> None:
        """Remove the machine."""
        self._qemu.destroy(machine)


def _on_debian(machine: Machine, port: int) -> Machine:
    """Return the boot files of a machine: the image's kernel, whatever the bed reports."""
    assert isinstance(machine.system, CentOS)
    system = Debian(title=machine.title, kernel="6.1", rewound=False)
    return machine.model_copy(update={"system": system, "ssh_port": port})


class BedProviders(Providers):
    """Providers whose CentOS machines are beds.

    Args:
        home: Where the machines' files and stored choices are.
        work: Reports each step.
        host: Which hypervisors this host can run Vagrant's guests with.
        image: The bed's image.
        port: Where its sshd listens.
    """

    def __init__(self, home: Home, work: Work, host: Host, image: Image, port: int) -> None:
        super().__init__(home, work, host)
        self._bed = Bed(home, work, image, port)

    def by_choice(self, choice: Choice) -> Provider:
        """Return the bed for a choice of CentOS, else the real provider."""
        return self._bed if choice.system is System.CENTOS else super().by_choice(choice)
