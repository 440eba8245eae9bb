"""`lab doctor`: what this machine can do, what is missing, and the command that mends it."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from lab import process
from lab.home import PROVISION
from lab.image import build
from lab.image.recipe import Recipe
from lab.provider.choice import FOR_CENTOS, FOR_REPLICAS
from lab.provider.host import Host
from lab.result import AS_ASKED, BROKEN, Result
from lab.session import Session

PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "fakeroot": "fakeroot",
    "cpio": "cpio",
    "mke2fs": "e2fsprogs",
    "depmod": "kmod",
    "ssh": "openssh-client",
}
"""The programs the lab runs on the host, each with its Debian package."""

MEMORY_MB = 2000
"""Two machines of 768 MB and room to work."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        ok: Whether it is as it should be.
        needed: Whether the lab cannot work without it.
        found: What was found.
        package: The Debian package that brings it, or several with blanks between; None when no package does.
    """

    name: str
    ok: bool
    needed: bool
    found: str
    package: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What this machine can do.

    Attributes:
        checks: Everything that was looked at.
        mend: The commands that mend what can be mended.
    """

    checks: tuple[Check, ...]
    mend: tuple[str, ...]


def doctor(session: Session) -> Result[Diagnosis]:
    """Look at this machine; changes nothing."""
    checks = (
        *_programs(),
        _processor(),
        _memory(),
        _space(session),
        _kvm(session),
        _image(session),
        *_vagrant(session),
        _config(session),
    )
    mend = (*_commands(checks, needed=True), *_commands(checks, needed=False))
    broken = any(check.needed and not check.ok for check in checks)
    return Result(Diagnosis(checks, mend), BROKEN if broken else AS_ASKED)


def _commands(checks: Sequence[Check], *, needed: bool) -> list[str]:
    """Give the command that brings what is missing: apart what the lab needs, and what it does without."""
    packages = [check.package for check in checks if check.package and not check.ok and check.needed is needed]
    sudo = "" if os.geteuid() == 0 else "sudo "
    return [f"{sudo}apt-get install --no-install-recommends {' '.join(dict.fromkeys(packages))}"] if packages else []


def _programs() -> list[Check]:
    found = {program: process.find(program) for program in PROGRAMS}
    return [
        Check(program, path is not None, needed=True, found=path or "not installed", package=PROGRAMS[program])
        for program, path in found.items()
    ]


def _processor() -> Check:
    kind = platform.machine()
    return Check("processor", kind == "x86_64", needed=True, found=f"{kind}, {os.cpu_count()} cores")


def _memory() -> Check:
    free_mb = psutil.virtual_memory().available // 1_000_000
    return Check("memory", free_mb >= MEMORY_MB, needed=True, found=f"{free_mb} MB free, {MEMORY_MB} MB needed")


def _space(session: Session) -> Check:
    existing = next(path for path in (session.home.cache, *session.home.cache.parents) if path.exists())
    free_mb = shutil.disk_usage(existing).free // 1_000_000
    found = f"{free_mb} MB free for {session.home.cache}, {build.NEEDED_MB} MB needed to build the guest image"
    return Check("space", free_mb >= build.NEEDED_MB, needed=True, found=found)


def _kvm(session: Session) -> Check:
    if not Path("/dev/kvm").exists():
        return Check("KVM", ok=False, needed=False, found="there is no /dev/kvm: guests run under software emulation")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Check("KVM", ok=False, needed=False, found="no permission for /dev/kvm: software emulation is used")
    try:
        answer = json.loads((session.home.cache / "accelerator.json").read_text())["accelerator"]
    except (OSError, ValueError, KeyError):
        return Check("KVM", ok=True, needed=False, found="/dev/kvm is there; the first 'lab up' finds out if it works")
    if answer == "kvm":
        return Check("KVM", ok=True, needed=False, found="a guest booted under it")
    return Check(
        "KVM", ok=False, needed=False, found="/dev/kvm is there but no guest boots under it: emulation is used"
    )


def _vagrant(session: Session) -> list[Check]:
    """Look at each way to have Vagrant; the lab does without."""
    host = Host(session.home, session.work)
    checks = []
    for kind, hypervisors in (("CentOS", FOR_CENTOS), ("replicas", FOR_REPLICAS)):
        problems = {hypervisor: host.problem(hypervisor) for hypervisor in hypervisors}
        can = [hypervisor for hypervisor, problem in problems.items() if problem is None]
        said = "; ".join(dict.fromkeys(problem for problem in problems.values() if problem))
        found = f"under {', '.join(can)}" if can else said
        package = " ".join(host.packages()) or None
        checks.append(Check(f"Vagrant, {kind}", bool(can), needed=False, found=found, package=package))
    return checks


def _config(session: Session) -> Check:
    path = session.home.config
    found = str(path) if path.exists() else f"none; it would be {path}, with keys provider, hypervisor, replica"
    return Check("config file", ok=True, needed=False, found=found)


def _image(session: Session) -> Check:
    recipe = Recipe.from_environment(PROVISION)
    built = (build.path_of(recipe, session.home.cache) / "manifest.json").exists()
    found = "built" if built else "not built yet: the first 'lab up' builds it, in two minutes or so"
    return Check("guest image", ok=built, needed=False, found=found)
