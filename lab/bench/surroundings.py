"""What figures were measured on: the host, its QEMU, and the guests."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

import psutil

from lab import lanes, process
from lab.catalogue import find
from lab.home import MACHINES, PROVISION, Home
from lab.image import build
from lab.image.recipe import Recipe
from lab.provider import accelerator
from lab.provider.qemu_process import PROGRAM
from lab.work import Work

MACHINE, KERNEL = "old", "6.1"
"""All machines that are measured have its size, and this kernel."""


def describe(work: Work) -> Mapping[str, object]:
    """Describe the host and the guests.

    Args:
        work: Told when an image has to be built.

    Raises:
        BrokenEnvironment: there is no QEMU, or no image.
    """
    cache = Home.from_environment().cache
    (definition,) = find.machines(MACHINES, [MACHINE])
    image = build.ensure(Recipe.from_environment(PROVISION), cache, work)
    return {
        "cpu": cpu_in(Path("/proc/cpuinfo").read_text()),
        "cores": os.cpu_count(),
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "kernel": platform.release(),
        "qemu": process.output_of([PROGRAM, "--version"]).splitlines()[0],
        "accelerator": accelerator.choose(image.kernel(KERNEL), cache, work),
        "guest": {
            "kernel": image.releases[KERNEL],
            "cpus": definition.cpus,
            "memory_mb": definition.memory_mb,
            "lanes": lanes.default(definition.cpus),
        },
    }


def cpu_in(cpuinfo: str) -> str:
    """Give the processor's name as proc_cpuinfo(5) has it; some have none."""
    names = (line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(names, platform.machine())
