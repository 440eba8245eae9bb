"""Removes what Vagrant may leave with libvirt: a domain it was killed over, volumes, and the way to a guest's port."""

from __future__ import annotations

import contextlib
from pathlib import Path

from lab import process
from lab.errors import BrokenEnvironment

POOL = "default"
"""Where vagrant-libvirt puts its volumes."""


def remove(uri: str, domain: str) -> None:
    """Remove a domain and its disk, as far as they are still there.

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


def switch_off(uri: str, domain: str) -> None:
    """Stop a domain at once, as by its power button; nothing when it does not run.

    Raises:
        BrokenEnvironment: libvirt's command line is missing or fails.
    """
    if domain in _virsh(uri, "list", "--name"):
        _virsh(uri, "destroy", domain)


def close_forwards(directory: Path, key_file: Path) -> None:
    """End the ssh processes by which vagrant-libvirt forwards ports (its forward_ports.rb), as far as they are left.

    One whose guest went away without a word would keep the port, and wait for an answer for ever.

    Args:
        directory: Where the machine's Vagrantfile is; Vagrant notes their process ids there.
        key_file: The lab's private key, which is among their arguments.
    """
    for noted in directory.glob(".vagrant/machines/*/libvirt/pids/ssh_*.pid"):
        with contextlib.suppress(ValueError):
            process.stop(int(noted.read_text()), f'IdentityFile="{key_file}"')
        noted.unlink()


def remove_volumes(uri: str, prefix: str) -> None:
    """Remove the volumes whose names begin so.

    Raises:
        BrokenEnvironment: libvirt's command line is missing or fails.
    """
    for name in volumes(uri, prefix):
        _virsh(uri, "vol-delete", name, "--pool", POOL)


def volumes(uri: str, prefix: str) -> list[str]:
    """Give the names of the volumes that begin so.

    Raises:
        BrokenEnvironment: libvirt's command line is missing or fails.
    """
    if POOL not in _virsh(uri, "pool-list", "--name"):
        return []
    # The pool does not see by itself what was written beside it.
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
