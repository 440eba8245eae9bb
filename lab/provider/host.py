"""Hypervisors available to Vagrant on this host, tested on demand and only once."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lab.catalogue.machine import Hypervisor
from lab.foundation import process
from lab.foundation.errors import LabError
from lab.foundation.later import Later

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.foundation.home import Home
    from lab.foundation.work import Work
    from lab.provider import accelerator, libvirt, vagrant_cli
    from lab.provider.accelerator import Acceleration
else:
    accelerator = Later("lab.provider.accelerator")
    libvirt = Later("lab.provider.libvirt")
    vagrant_cli = Later("lab.provider.vagrant_cli")

LIBVIRT_SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
"""Sockets of libvirt's system daemon; the second one where it is split into several daemons."""

LIBVIRT_DAEMONS = ("libvirtd", "virtqemud")
"""Daemons that an ordinary user's libvirt starts on demand."""

PLUGINS = {
    Hypervisor.LIBVIRT: "vagrant-libvirt",
    Hypervisor.LIBVIRT_SESSION: "vagrant-libvirt",
    Hypervisor.QEMU: "vagrant-qemu",
}
"""Plugins that Vagrant needs."""


class Host:
    """This host.

    Args:
        home: The lab, whose cache has a kernel to probe KVM with.
        work: Reports the probe.
    """

    def __init__(self, home: Home, work: Work) -> None:
        self._home = home
        self._work = work

    @cached_property
    def _vagrant(self) -> frozenset[str] | str:
        """Vagrant's plugins, or why Vagrant cannot be used."""
        try:
            return vagrant_cli.plugins(self._home.path, self._work)
        except LabError as error:
            return error.message

    @cached_property
    def _kvm(self) -> Acceleration:
        """Whether a guest of this user boots under KVM."""
        return accelerator.kvm(self._home.cache, self._work)

    @cached_property
    def _libvirt_kvm(self) -> Acceleration:
        """Whether libvirt's system daemon runs guests under KVM."""
        if not self._kvm.tried and process.find("virsh") is None:
            if self._kvm.works is False:
                return self._kvm
            return accelerator.Acceleration(
                None, "libvirt's system daemon cannot be queried without virsh, which is not installed"
            )
        return by_libvirt(self._kvm, lambda: libvirt.kvm_problem(libvirt.SYSTEM))

    def problem(self, hypervisor: Hypervisor) -> str | None:
        """Return why Vagrant cannot run guests with a hypervisor here; None when it can."""
        if isinstance(self._vagrant, str):
            return self._vagrant
        plugin = PLUGINS.get(hypervisor)
        if plugin and plugin not in self._vagrant:
            return f"Vagrant's plugin {plugin} is not installed"
        return _obstacle(hypervisor)

    def packages(self) -> list[str]:
        """Return missing Debian packages among those that provide Vagrant and its libvirt support."""
        known: frozenset[str] = frozenset() if isinstance(self._vagrant, str) else self._vagrant
        there = {
            "vagrant": process.find("vagrant") is not None,
            "vagrant-libvirt": "vagrant-libvirt" in known,
            "libvirt-daemon-system": _has_libvirt(),
            "libvirt-clients": process.find("virsh") is not None,
        }
        return [package for package, is_there in there.items() if not is_there]

    def acceleration(self, hypervisor: Hypervisor, /) -> Acceleration:
        """Return whether a hypervisor has hardware virtualisation here.

        For VirtualBox, too, a guest that boots under KVM is required: both use the same processor extension, and a
        processor that lists it may itself be virtual and lack it.
        """
        if hypervisor is Hypervisor.LIBVIRT:
            return self._libvirt_kvm
        if hypervisor is Hypervisor.VIRTUALBOX and not accelerator.KVM_DEVICE.exists() and _names_extension():
            # VirtualBox needs no /dev/kvm; KVM's module may be disabled because of VirtualBox.
            return accelerator.Acceleration(
                None,
                f"there is no {accelerator.KVM_DEVICE} to test a guest with, and VirtualBox can only be tested "
                "directly",
            )
        return self._kvm


def by_libvirt(own: Acceleration, problem: Callable[[], str | None]) -> Acceleration:
    """Conclude whether libvirt's system daemon runs guests under KVM.

    A tested guest outweighs what the daemon offers: KVM may exist and hang every guest.

    Args:
        own: What is known about guests started by this user.
        problem: Asks the daemon; returns why it does not offer KVM, or None.
    """
    if own.works is not None and own.tried:
        return own
    refusal = problem()
    if refusal:
        return accelerator.Acceleration(works=False, reason=f"libvirt's system daemon does not offer KVM: {refusal}")
    return accelerator.Acceleration(works=True, reason=f"libvirt's system daemon offers KVM ({own.reason})")


def _names_extension() -> bool:
    """Return whether the processor lists VT-x or AMD-V (Documentation/arch/x86: flags of /proc/cpuinfo)."""
    flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    return not {"vmx", "svm"}.isdisjoint(flags.split())


def _obstacle(hypervisor: Hypervisor) -> str | None:
    """Return what a hypervisor lacks, apart from Vagrant."""
    if hypervisor is Hypervisor.VIRTUALBOX and process.find("VBoxManage") is None:
        return "VirtualBox is not installed"
    if hypervisor is Hypervisor.LIBVIRT and not any(os.access(path, os.R_OK | os.W_OK) for path in LIBVIRT_SOCKETS):
        if any(Path(path).exists() for path in LIBVIRT_SOCKETS):
            return "this user may not access libvirt's system daemon (adduser USER libvirt, then log in again)"
        return "libvirt's system daemon does not run (systemctl start libvirtd)"
    if hypervisor is Hypervisor.LIBVIRT_SESSION:
        if os.geteuid() == 0:
            return "libvirt's session mode is for ordinary users, not for root"
        if not _has_libvirt():
            return "libvirt is not installed"
    return None


def _has_libvirt() -> bool:
    return any(process.find(daemon) for daemon in LIBVIRT_DAEMONS)
