"""Removes what Vagrant may leave in libvirt: domains after a kill, volumes, and port forwards."""

from __future__ import annotations

import contextlib
from pathlib import Path

from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment

SYSTEM, SESSION = "qemu:///system", "qemu:///session"
"""libvirt's addresses: the system daemon, and an ordinary user's session."""

POOL = "default"
"""Pool of vagrant-libvirt's volumes."""


def remove(uri: str, domain: str) -> None:
    """Remove a domain and its disk, if they exist.

    Args:
        uri: libvirt's address.
        domain: The domain's name.

    Raises:
        BrokenEnvironment: libvirt's command line is missing or fails.
    """
    switch_off(uri, domain)
    if domain in _virsh(uri, "list", "--all", "--name"):
        _virsh(uri, "undefine", domain)
    remove_volumes(uri, f"{domain}.img")


def kvm_problem(uri: str) -> str | None:
    """Return libvirt's reason for not running guests under KVM; None when it offers KVM.

    The daemon opens /dev/kvm: the user needs no access to it.

    Args:
        uri: libvirt's address.
    """
    try:
        _virsh(uri, "domcapabilities", "--virttype", "kvm")
    except BrokenEnvironment as error:
        return error.hint or error.message
    return None


def switch_off(uri: str, domain: str) -> None:
    """Stop a domain at once, like a power button; does nothing when it is not running.

    Raises:
        BrokenEnvironment: libvirt's command line is missing or fails.
    """
    if domain in _virsh(uri, "list", "--name"):
        _virsh(uri, "destroy", domain)


def close_forwards(directory: Path, key_file: Path) -> None:
    """Stop the ssh processes that vagrant-libvirt uses to forward ports (its forward_ports.rb), if any are left.

    After an unclean end of the guest such a process would keep the port and wait for ever.

    Args:
        directory: Directory of the machine's Vagrantfile; Vagrant stores their process ids there.
        key_file: The lab's private key, which is among their arguments.
    """
    for pid_file in directory.glob(".vagrant/machines/*/libvirt/pids/ssh_*.pid"):
        with contextlib.suppress(ValueError):
            process.stop(int(pid_file.read_text()), f'IdentityFile="{key_file}"')
        pid_file.unlink()


def remove_volumes(uri: str, prefix: str) -> None:
    """Remove the volumes with a name prefix.

    Raises:
        BrokenEnvironment: libvirt's command line is missing or fails.
    """
    for name in volumes(uri, prefix):
        _virsh(uri, "vol-delete", name, "--pool", POOL)


def volumes(uri: str, prefix: str) -> list[str]:
    """Return the names of the volumes with a prefix.

    Raises:
        BrokenEnvironment: libvirt's command line is missing or fails.
    """
    if POOL not in _virsh(uri, "pool-list", "--name"):
        return []
    # The pool does not notice files that were written to it directly.
    _virsh(uri, "pool-refresh", POOL)
    names = [(line.split() or [""])[0] for line in _virsh(uri, "vol-list", POOL)[2:]]
    return [name for name in names if name.startswith(prefix)]


def _virsh(uri: str, *arguments: str) -> list[str]:
    try:
        virsh = process.require("virsh", "libvirt-clients")
        return [
            line.strip() for line in process.output_of([virsh, "--connect", uri, *arguments], bound_s=60).splitlines()
        ]
    except BrokenEnvironment as error:
        error.message = f"libvirt ({uri}): {error.message}"
        raise
