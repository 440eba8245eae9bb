"""What this host can run Vagrant's guests with: found out only when somebody asks, and once."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from lab import process
from lab.catalogue.machine import Hypervisor
from lab.errors import LabError
from lab.home import Home
from lab.provider import accelerator
from lab.provider.vagrant_cli import plugins
from lab.work import Work

LIBVIRT_SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
"""libvirt's system daemon listens on one of these, the second where it is split into several."""

LIBVIRT_DAEMONS = ("libvirtd", "virtqemud")
"""An ordinary user's libvirt starts one of these by itself."""

PLUGINS = {
    Hypervisor.LIBVIRT: "vagrant-libvirt",
    Hypervisor.LIBVIRT_SESSION: "vagrant-libvirt",
    Hypervisor.QEMU: "vagrant-qemu",
}
"""What Vagrant needs beside itself."""


class Host:
    """This host.

    Args:
        home: Whose cache has a kernel to probe KVM with.
        work: Told of the probe.
    """

    def __init__(self, home: Home, work: Work) -> None:
        self._home = home
        self._work = work

    @cached_property
    def _vagrant(self) -> frozenset[str] | str:
        """Vagrant's plugins, or why there is no Vagrant."""
        try:
            return plugins(self._home.path, self._work)
        except LabError as error:
            return error.message

    @cached_property
    def kvm(self) -> bool:
        """Whether a guest boots under KVM."""
        return accelerator.kvm_works(self._home.cache, self._work)

    def problem(self, hypervisor: Hypervisor) -> str | None:
        """Tell why Vagrant cannot run guests with a hypervisor here; None when it can."""
        if isinstance(self._vagrant, str):
            return self._vagrant
        plugin = PLUGINS.get(hypervisor)
        if plugin and plugin not in self._vagrant:
            return f"Vagrant's plugin {plugin} is not installed"
        return _obstacle(hypervisor)

    def packages(self) -> list[str]:
        """Give the Debian packages that are not here of those which bring Vagrant and what it needs for libvirt."""
        known: frozenset[str] = frozenset() if isinstance(self._vagrant, str) else self._vagrant
        there = {
            "vagrant": process.find("vagrant") is not None,
            "vagrant-libvirt": "vagrant-libvirt" in known,
            "libvirt-daemon-system": _has_libvirt(),
            "libvirt-clients": process.find("virsh") is not None,
        }
        return [package for package, is_there in there.items() if not is_there]

    def accelerates(self, _hypervisor: Hypervisor, /) -> bool:
        """Tell whether a hypervisor has hardware virtualisation here that works.

        For VirtualBox, too, only a guest that booted counts, be it under KVM: both use the same extension of the
        processor, and a processor that names it may be a guest's own, with nothing behind the name.
        """
        return self.kvm


def _obstacle(hypervisor: Hypervisor) -> str | None:
    """Tell what a hypervisor lacks for itself, whatever Vagrant has."""
    if hypervisor is Hypervisor.VIRTUALBOX and process.find("VBoxManage") is None:
        return "VirtualBox is not installed"
    if hypervisor is Hypervisor.LIBVIRT and not any(os.access(path, os.R_OK | os.W_OK) for path in LIBVIRT_SOCKETS):
        if any(Path(path).exists() for path in LIBVIRT_SOCKETS):
            return "this user may not talk to libvirt's system daemon (adduser USER libvirt, then log in anew)"
        return "libvirt's system daemon does not run (systemctl start libvirtd)"
    if hypervisor is Hypervisor.LIBVIRT_SESSION:
        if os.geteuid() == 0:
            return "libvirt's session mode is for ordinary users, not for root"
        if not _has_libvirt():
            return "libvirt is not installed"
    return None


def _has_libvirt() -> bool:
    return any(process.find(daemon) for daemon in LIBVIRT_DAEMONS)
