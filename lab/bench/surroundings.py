"""Describes the environment of a measurement: the host, its QEMU, and the guests."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

import psutil

from lab.catalogue import find
from lab.foundation import process
from lab.foundation.home import MACHINES, PROVISION, Home
from lab.foundation.work import Work
from lab.image import build
from lab.image.recipe import Recipe
from lab.provider import accelerator
from lab.provider.qemu_process import PROGRAM
from lab.runs import lanes

MACHINE, KERNEL = "old", "6.1"
"""The measured machines have this machine's size and this kernel."""


def describe(work: Work) -> Mapping[str, object]:
    """Return a description of the host and the guests.

    Args:
        work: Reports the step when an image has to be built.

    Raises:
        BrokenEnvironment: QEMU or the image is missing.
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
    """Return the processor's name from proc_cpuinfo(5), or the architecture if there is none."""
    names = (line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(names, platform.machine())
