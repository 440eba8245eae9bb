"""Machines: kernel, era and system."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lab.catalogue.document import Model
from lab.catalogue.era import Era

Release = Annotated[str, Field(pattern=r"^7\.\d\.\d{4}$")]
NAME = r"^[a-z][a-z0-9-]{0,30}$"
"""Pattern of machine names: valid host names."""

Name = Annotated[str, Field(pattern=NAME)]


class Hypervisor(StrEnum):
    """The hypervisor that runs Vagrant's guests."""

    VIRTUALBOX = "virtualbox"
    LIBVIRT = "libvirt"
    """libvirt's system daemon: NAT, hardware virtualisation."""
    LIBVIRT_SESSION = "libvirt-session"
    """libvirt for an ordinary user: user-mode network, software emulation."""
    QEMU = "qemu"
    """The vagrant-qemu plugin."""


class System(StrEnum):
    """What a machine consists of. Every table and report names it.

    The first three can be requested: see `CHOOSABLE`.
    """

    CENTOS = "centos"
    """CentOS's userland and kernel, run by Vagrant."""
    KERNEL = "kernel"
    """CentOS's kernel under the userland of the lab's guest image, run by the embedded provider."""
    REPLICA = "replica"
    """Debian's userland and kernel, with the module ctrewind."""
    DEBIAN = "debian"
    """Debian's userland and kernel, unchanged."""
    ADDED = "added"
    """A kernel from `lab kernel add` under the userland of the lab's guest image."""
    HOST = "host"
    """A host of the user."""


CHOOSABLE = (System.CENTOS, System.KERNEL, System.REPLICA)
"""Values of `--system`. For a machine without a replica, `replica` means unchanged Debian."""


class Debian(Model):
    """The lab's own guest image: Debian 12.

    Attributes:
        title: One line about the machine on this system.
        kernel: The series of the image's kernel to boot, such as "6.1".
        rewound: Whether ctrewind rewinds that kernel to the machine's era; then the machine is a replica.
    """

    title: Annotated[str, Field(min_length=1)]
    kernel: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    rewound: bool

    @property
    def kind(self) -> System:
        """The machine's system."""
        return System.REPLICA if self.rewound else System.DEBIAN


class Added(Model):
    """A kernel added by the user, on the lab's own guest image.

    Attributes:
        title: One line about it.
        kernel: Its name in the lab's store of kernels.
        release: The kernel release (`uname -r`).
        headers: Whether its headers were added with it.
        disk: The disk's controller.
        network: The network card.
        made_of: Identifies its content, to distinguish it from another kernel added under the same name.
        stands_in: Whether it is the kernel of a machine of the catalogue, not a machine by itself.
        verified: Whether package signatures prove that it is the kernel of the catalogue's machine; None if it is not
            one of the catalogue.
    """

    title: Annotated[str, Field(min_length=1)]
    kernel: Name
    release: Annotated[str, Field(pattern=r"^[^\s/]+$")]
    headers: bool
    disk: Literal["virtio", "ahci"]
    network: Literal["virtio", "e1000"]
    made_of: str
    stands_in: bool = False
    verified: bool | None = None

    @property
    def kind(self) -> System:
        """The machine's system."""
        return System.KERNEL if self.stands_in else System.ADDED


class OwnKernel(Model):
    """A machine of the catalogue with one of the known kernels, under the userland of the guest image.

    Attributes:
        title: One line about the machine on this system.
        known: The name of the known kernel, such as "centos:7.0.1406".
    """

    title: Annotated[str, Field(min_length=1)]
    known: Annotated[str, Field(pattern=r"^[a-z]+:[\w.-]+$")]


class Box(Model):
    """A Vagrant box. Only its userland is used: the kernel comes from the vault.

    Attributes:
        name: Its name in Vagrant's registry.
        version: The version; None for the newest.
        url: Its address; None for Vagrant's registry.
        release: The release of its userland, such as "7.8.2003"; None for that of the machine.
        hypervisors: The hypervisors that it is built for.
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
        kernel: The kernel release (`uname -r`).
        boxes: Boxes to start from; the first available one is used.
        disk: The disk's controller under libvirt: "sata" for a kernel without a virtio disk driver.
        network: The network card under libvirt and vagrant-qemu: "e1000" for a kernel without virtio's driver.
    """

    title: Annotated[str, Field(min_length=1)]
    release: Release
    kernel: Annotated[str, Field(pattern=r"^3\.10\.0-[0-9.]+\.el7\.x86_64$")]
    boxes: Annotated[tuple[Box, ...], Field(min_length=1)]
    disk: Literal["virtio", "sata"] = "virtio"
    network: Literal["virtio", "e1000"] = "virtio"

    @property
    def kind(self) -> System:
        """The machine's system."""
        return System.CENTOS


class _Common(Model):
    """The fields of a machine that do not depend on the system.

    Attributes:
        name: The machine's name.
        era: Its kernel's era, native or rewound; None when it is unknown.
        cpus: Virtual processors. A machine of the lab's own image uses one, and the others only for many
            trials at once and for two threads.
        memory_mb: Memory in MiB.
        cpu: The processor model under Vagrant, as named by QEMU and libvirt; None for the hypervisor's default.
        ssh_port: Its port on 127.0.0.1; None to let the lab choose a free one.
        boot_bound_s: Boot timeout until SSH login, in seconds.
    """

    name: Name
    era: Era | None
    cpus: Annotated[int, Field(ge=1, le=64)] = 2
    memory_mb: Annotated[int, Field(ge=256)] = 768
    cpu: Annotated[str, Field(pattern=r"^[\w.-]+$")] | None = None
    ssh_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    boot_bound_s: Annotated[float, Field(ge=1, le=3600)] = 300.0


class Machine(_Common):
    """A machine on the system chosen for it.

    Attributes:
        system: The system.
    """

    system: Debian | CentOS | Added

    @property
    def title(self) -> str:
        """One line about it."""
        return self.system.title

    @property
    def kind(self) -> System:
        """The machine's system."""
        return self.system.kind

    @property
    def verified(self) -> bool | None:
        """Whether signatures prove that its kernel is CentOS's; None on any system but `kernel`."""
        return self.system.verified if isinstance(self.system, Added) else None

    @property
    def in_words(self) -> str:
        """One line about it; a replica is named as such."""
        return f"{self.title}, a replica" if self.replica else self.title

    @property
    def added(self) -> bool:
        """Whether its kernel is from the lab's store of kernels, of a machine of the catalogue or by itself."""
        return isinstance(self.system, Added)

    @property
    def replica(self) -> bool:
        """Whether ctrewind rewinds a newer kernel to its era."""
        return self.kind is System.REPLICA


class Definition(_Common):
    """One machine's TOML file; the file's name is the machine's.

    Attributes:
        debian: The machine on the lab's own image; None if unsupported.
        centos: The machine on CentOS; None if unsupported.
        kernel: Its known kernel; None without one.
        added: The kernel added by the user that the machine consists of; None for any other machine.
    """

    debian: Debian | None = None
    centos: CentOS | None = None
    kernel: OwnKernel | None = None
    added: Added | None = None

    @property
    def on_image(self) -> Debian | Added | None:
        """The machine's system on the lab's own image, without downloads; None if unsupported."""
        return self.debian or self.added

    @model_validator(mode="after")
    def _check_systems(self) -> Self:
        if self.on_image is None and self.centos is None and self.kernel is None:
            raise ValueError("there must be a table [debian], [kernel] or [centos]")
        return self

    def on(self, system: Debian | CentOS | Added) -> Machine:
        """Return the machine on one of its systems."""
        common = {field: getattr(self, field) for field in _Common.model_fields}
        # All of it was validated when the definition was read.
        return Machine.model_construct(system=system, **common)
