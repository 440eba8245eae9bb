"""Machines: which kernel, which era it shows, and on which system."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lab.catalogue.document import Model
from lab.catalogue.era import Era

Release = Annotated[str, Field(pattern=r"^7\.\d\.\d{4}$")]
NAME = r"^[a-z][a-z0-9-]{0,30}$"
"""What a machine can be called: a host's name."""

Name = Annotated[str, Field(pattern=NAME)]


class Hypervisor(StrEnum):
    """What runs Vagrant's guests."""

    VIRTUALBOX = "virtualbox"
    LIBVIRT = "libvirt"
    """libvirt's system daemon: NAT, hardware virtualisation."""
    LIBVIRT_SESSION = "libvirt-session"
    """libvirt for an ordinary user: user-mode network, software emulation."""
    QEMU = "qemu"
    """The vagrant-qemu plugin."""


class Debian(Model):
    """The lab's own guest image: Debian 12.

    Attributes:
        title: One line about the machine on this system.
        kernel: The series of the image's kernel it boots, such as "6.1".
        rewound: Whether ctrewind turns that kernel back to the machine's era; the machine is a replica then.
    """

    title: Annotated[str, Field(min_length=1)]
    kernel: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    rewound: bool


class Added(Model):
    """A kernel that somebody gave the lab, on the lab's own guest image.

    Attributes:
        title: One line about it.
        release: As `uname -r` says it.
        headers: Whether its headers were given with it.
        disk: What its disk is attached by.
        network: Its network card.
        made_of: Tells it from one that was added under the same name at another time.
    """

    title: Annotated[str, Field(min_length=1)]
    release: Annotated[str, Field(pattern=r"^[^\s/]+$")]
    headers: bool
    disk: Literal["virtio", "ahci"]
    network: Literal["virtio", "e1000"]
    made_of: str


class Box(Model):
    """A Vagrant box to start from. It is userland only: the kernel comes from the vault.

    Attributes:
        name: As Vagrant's registry has it.
        version: The version; None for the newest.
        url: Where it is; None for Vagrant's registry.
        release: The release of its userland, such as "7.8.2003"; None for that of the machine.
        hypervisors: What it is built for.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    version: Annotated[str, Field(pattern=r"^[\w.-]+$")] | None = None
    url: Annotated[str, Field(pattern=r"^(https?|file)://[^\s\"#\\]+$")] | None = None
    release: Release | None = None
    hypervisors: Annotated[tuple[Hypervisor, ...], Field(min_length=1)]


class CentOS(Model):
    """CentOS 7 with an exact kernel.

    Attributes:
        title: One line about the machine on this system.
        release: The release whose vault has the kernel, such as "7.0.1406".
        kernel: The kernel release, as `uname -r` says it.
        boxes: Where to start from; the first that can be had.
    """

    title: Annotated[str, Field(min_length=1)]
    release: Release
    kernel: Annotated[str, Field(pattern=r"^3\.10\.0-[0-9.]+\.el7\.x86_64$")]
    boxes: Annotated[tuple[Box, ...], Field(min_length=1)]


class _Common(Model):
    """What a machine is on whatever system.

    Attributes:
        name: What people type.
        era: How its kernel behaves at a clash, by itself or rewound; None where that is not known.
        cpus: Virtual processors. A replica boots with one of them: booting is no quicker with more, and two machines
            at once are slower.
        memory_mb: Memory.
        ssh_port: Its port on 127.0.0.1; None lets the lab choose a free one.
        boot_bound_s: How long it may take until it can be logged in to, in seconds.
    """

    name: Name
    era: Era | None
    cpus: Annotated[int, Field(ge=1, le=64)] = 2
    memory_mb: Annotated[int, Field(ge=256)] = 768
    ssh_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    boot_bound_s: Annotated[float, Field(ge=1, le=3600)] = 300.0


class Machine(_Common):
    """One machine of the lab on the system that was chosen for it.

    Attributes:
        system: What it runs.
    """

    system: Debian | CentOS | Added

    @property
    def title(self) -> str:
        """One line about it."""
        return self.system.title

    @property
    def in_words(self) -> str:
        """One line about it, in which a replica is called one."""
        return f"{self.title}, a replica" if self.replica else self.title

    @property
    def added(self) -> bool:
        """Whether its kernel is one that somebody gave the lab."""
        return isinstance(self.system, Added)

    @property
    def replica(self) -> bool:
        """Whether ctrewind makes a newer kernel behave as its era."""
        return isinstance(self.system, Debian) and self.system.rewound


class Definition(_Common):
    """One machine as its TOML file gives it; the file's name is the machine's.

    Attributes:
        debian: What it is on the lab's own image; None when it cannot be there.
        centos: What it is on CentOS; likewise.
        added: The kernel that somebody gave the lab and that the machine is made of; None for any other machine.
    """

    debian: Debian | None = None
    centos: CentOS | None = None
    added: Added | None = None

    @property
    def on_image(self) -> Debian | Added | None:
        """What it is on the lab's own image; None when it cannot be there."""
        return self.debian or self.added

    @model_validator(mode="after")
    def _has_a_system(self) -> Self:
        if self.on_image is None and self.centos is None:
            raise ValueError("there must be a table [debian] or [centos]")
        return self

    def on(self, system: Debian | CentOS | Added) -> Machine:
        """Give the machine on one of its systems."""
        common = {field: getattr(self, field) for field in _Common.model_fields}
        return Machine(system=system, **common)
