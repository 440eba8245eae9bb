"""Renders a machine's Vagrantfile: what Vagrant is told, as a person could have written it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import jinja2

from lab.catalogue.machine import Box, Hypervisor, Machine

BOOT_ATTEMPTS = 2
"""How often a machine is booted before it is given up; the attempts share its bound. vagrant-libvirt asks the guest
agent with Vagrant's boot timeout as the bound, so that one answer that is lost costs a whole attempt."""


@dataclass(frozen=True)
class DirectKernel:
    """The kernel that the lab's own image is booted with, as it has no boot loader.

    Attributes:
        kernel: Its file.
        initramfs: Its initramfs.
        arguments: Its command line.
        console: Where what it says goes.
    """

    kernel: Path
    initramfs: Path
    arguments: str
    console: Path


@dataclass(frozen=True)
class Setting:
    """All that a Vagrantfile says of a machine beside what the machine's TOML file says.

    Attributes:
        hypervisor: What runs the guest.
        accelerated: Whether it has hardware virtualisation.
        box: The box to start from.
        ssh_port: The port on 127.0.0.1 that leads to the guest's SSH server.
        key_file: The lab's private key.
        public_key: Its public half, as one line of OpenSSH.
        prefix: What the names of all the lab's domains and volumes begin with.
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
    """Give the Vagrantfile of a machine.

    Args:
        template: The file Vagrantfile.j2.
        machine: The machine.
        setting: What else it says.
    """
    return _template(template).render(
        name=machine.name,
        in_words=machine.in_words,
        cpus=machine.cpus,
        memory_mb=machine.memory_mb,
        boot_timeout_s=math.ceil(machine.boot_bound_s / BOOT_ATTEMPTS),
        unique_name=setting.prefix + machine.name,
        **vars(setting),
    )


def render_box(template: Path, kernel: str, initramfs: str, kernel_arguments: str) -> str:
    """Give the Vagrantfile inside the box of the lab's image; the kernel's files lie beside it."""
    return _template(template).render(kernel=kernel, initramfs=initramfs, kernel_arguments=kernel_arguments)


def _template(path: Path) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  Ruby, not HTML: every value goes through the filter below
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["ruby"] = _ruby
    return environment.get_template(path.name)


def _ruby(value: object) -> str:
    """Write a value as a string of Ruby, in which nothing is interpolated."""
    return json.dumps(str(value), ensure_ascii=False).replace("#", "\\#")
