"""Cache key of a machine's saved state: if any part changes, the machine boots instead."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from pathlib import Path

from lab.catalogue.machine import Machine
from lab.foundation import process
from lab.provider import accelerator
from lab.provider.qemu_process import PROGRAM
from lab.provider.saved import FORMAT, Ingredients


def of(
    machine: Machine, *, image: str, argv: Sequence[str], public_keys: Sequence[str], provisioning: str
) -> Ingredients:
    """Return the parts of a saved state's cache key.

    Args:
        machine: The machine.
        image: Identifies the guest image.
        argv: QEMU's arguments: accelerator, kernel, kernel arguments, devices.
        public_keys: The guest's host key, and the key that may log in.
        provisioning: Identifies what was done to it after boot.

    Raises:
        BrokenEnvironment: QEMU is not installed.
    """
    program = Path(process.require(PROGRAM, "qemu-system-x86")).resolve()
    # The file's size and time are quicker to read than the version, and distinguish builds of one version.
    build = program.stat()
    return {
        "definition of the machine": _named(_shape(machine)),
        "guest image": image,
        "QEMU": f"{program} {build.st_size} {build.st_mtime_ns}",
        "arguments for QEMU": _named(*argv),
        "processor or kernel of the host": _host() if accelerator.KVM in argv else _model(),
        "keys": _named(*public_keys),
        "provisioning": provisioning,
        "format of saved states": FORMAT,
    }


def _shape(machine: Machine) -> str:
    """Return, as JSON, the part of a machine's definition that its guest depends on.

    Title and boot timeout are excluded. The era is included for a replica only, whose guest is rewound to it; for other
    machines it is a result, which is stored after the state was saved (`lab classify`).
    """
    shape = machine.model_dump(
        mode="json", exclude={"boot_bound_s": True, "system": {"title"}, "era": not machine.replica}
    )
    return json.dumps(shape, sort_keys=True)


def _host() -> str:
    """Return a digest of the host's processor and kernel, which a guest sees under KVM."""
    return _named(platform.release(), *_cpu_lines("model name", "flags", "microcode"))


def _model() -> str:
    """Return a digest of the processor model, whose time-stamp counter rate a guest sees under emulation."""
    return _named(*_cpu_lines("model name"))


def _cpu_lines(*names: str) -> list[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return sorted({line for line in lines if line.startswith(names)})


def _named(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
