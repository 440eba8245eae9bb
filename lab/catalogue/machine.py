"""Machines: which kernel, and which era it shows."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lab.catalogue.document import Model
from lab.catalogue.era import Era


class Machine(Model):
    """One machine of the lab, as its TOML file gives it; the file's name is the machine's.

    Attributes:
        name: What people type.
        title: One line about it.
        kernel: The series of the guest image's kernel it boots, such as "6.1".
        era: How its kernel behaves at a clash, by itself or rewound.
        replica: Whether ctrewind rewinds a newer kernel to that era.
        cpus: Virtual processors. One, since several guests under emulation share the host's few cores: two machines
            come up together in 1.4 times the time of one then, with two processors each in 1.8 times.
        memory_mb: Memory.
        ssh_port: Its port on 127.0.0.1; None lets the lab choose a free one.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    title: Annotated[str, Field(min_length=1)]
    kernel: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    era: Era
    replica: bool
    cpus: Annotated[int, Field(ge=1, le=64)] = 1
    memory_mb: Annotated[int, Field(ge=256)] = 768
    ssh_port: Annotated[int, Field(ge=1, le=65535)] | None = None
