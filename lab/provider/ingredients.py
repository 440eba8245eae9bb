"""What goes into a machine's saved state: when any of it changes, the machine boots instead."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from pathlib import Path

from lab import process
from lab.catalogue.machine import Machine
from lab.provider import accelerator
from lab.provider.qemu_process import PROGRAM
from lab.provider.saved import FORMAT, Ingredients


def of(
    machine: Machine, *, image: str, argv: Sequence[str], public_keys: Sequence[str], provisioning: str
) -> Ingredients:
    """Give what a machine's state is made of.

    Args:
        machine: The machine.
        image: Names the guest image.
        argv: What its QEMU is started with: accelerator, kernel, kernel arguments, devices.
        public_keys: The guest's host key, and the key that may log in.
        provisioning: Names what was done to it after it was booted.

    Raises:
        BrokenEnvironment: QEMU is not installed.
    """
    program = Path(process.require(PROGRAM, "qemu-system-x86")).resolve()
    # A look at the file is quicker than asking for the version, and tells two builds of one version apart.
    build = program.stat()
    return {
        "definition of the machine": _named(machine.model_dump_json()),
        "guest image": image,
        "QEMU": f"{program} {build.st_size} {build.st_mtime_ns}",
        "arguments for QEMU": _named(*argv),
        "processor or kernel of the host": _host() if accelerator.KVM in argv else _model(),
        "keys": _named(*public_keys),
        "provisioning": provisioning,
        "format of saved states": FORMAT,
    }


def _host() -> str:
    """Under KVM a guest has seen the host's own processor."""
    return _named(platform.release(), *_told("model name", "flags", "microcode"))


def _model() -> str:
    """Under emulation it has seen how fast the processor's time-stamp counter runs, which is the model's."""
    return _named(*_told("model name"))


def _told(*names: str) -> list[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return sorted({line for line in lines if line.startswith(names)})


def _named(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
