"""Renders a machine's Vagrantfile, readable like a hand-written one."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.catalogue.machine import Box, CentOS, Hypervisor, Machine
from lab.foundation.later import Later

if TYPE_CHECKING:
    import jinja2
else:
    jinja2 = Later("jinja2")

BOOT_ATTEMPTS = 2
"""Attempts to boot a machine, which share its timeout. vagrant-libvirt waits for the guest agent with Vagrant's boot
timeout, so that one lost answer costs a whole attempt."""


@dataclass(frozen=True)
class DirectKernel:
    """The kernel for direct boot of the lab's own image, which has no boot loader.

    Attributes:
        kernel: Kernel image.
        initramfs: Initramfs.
        arguments: Kernel command line.
        console: File of the console output.
    """

    kernel: Path
    initramfs: Path
    arguments: str
    console: Path


@dataclass(frozen=True)
class Setting:
    """Settings of a Vagrantfile that are not in the machine's TOML file.

    Attributes:
        hypervisor: The hypervisor.
        accelerated: Whether it has hardware virtualisation.
        box: The box to start from.
        ssh_port: The port on 127.0.0.1 that is forwarded to the guest's SSH server.
        key_file: The lab's private key.
        public_key: The public key, as one line in OpenSSH format.
        prefix: Prefix of the names of the lab's domains and volumes.
        direct_kernel: The kernel of the lab's own image; None for CentOS, which boots its own.
    """

    hypervisor: Hypervisor
    accelerated: bool
    box: Box
    ssh_port: int
    key_file: Path
    public_key: str
    prefix: str
    direct_kernel: DirectKernel | None


def render(template: Path, machine: Machine, setting: Setting) -> str:
    """Return the Vagrantfile of a machine.

    Args:
        template: The file Vagrantfile.j2.
        machine: The machine.
        setting: Other settings.
    """
    devices = machine.system if isinstance(machine.system, CentOS) else None
    return _template(template).render(
        name=machine.name,
        in_words=machine.in_words,
        cpu=machine.cpu,
        disk=devices.disk if devices else "virtio",
        network=devices.network if devices else "virtio",
        network_device="e1000" if devices and devices.network == "e1000" else "virtio-net-pci",
        cpus=machine.cpus,
        memory_mb=machine.memory_mb,
        boot_timeout_s=math.ceil(machine.boot_bound_s / BOOT_ATTEMPTS),
        unique_name=setting.prefix + machine.name,
        **vars(setting),
    )


def render_box(template: Path, kernel: str, initramfs: str, kernel_arguments: str) -> str:
    """Return the Vagrantfile inside the box of the lab's image; the kernel files are beside it."""
    return _template(template).render(kernel=kernel, initramfs=initramfs, kernel_arguments=kernel_arguments)


def _template(path: Path) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["ruby"] = _ruby
    return environment.get_template(path.name)


def _ruby(value: object) -> str:
    """Return a value as a Ruby string literal without interpolation."""
    return json.dumps(str(value), ensure_ascii=False).replace("#", "\\#")
