"""`lab doctor`: what this machine can do, what is missing, and the commands that install it."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.foundation import distribution, namespaces, process
from lab.foundation.distribution import CONTAINER, Distribution
from lab.foundation.errors import BadInput
from lab.foundation.home import PROVISION, Home
from lab.foundation.language import N_
from lab.foundation.later import Later
from lab.foundation.result import AS_ASKED, BROKEN, Result
from lab.image import build
from lab.image.recipe import Recipe
from lab.kernels import known, obtain
from lab.provider.choice import FOR_CENTOS, FOR_REPLICAS
from lab.provider.host import Host
from lab.provider.qemu import DISK_GROWTH_MB
from lab.session.session import Session

if TYPE_CHECKING:
    import psutil
else:
    psutil = Later("psutil")

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
"""The programs the lab runs on the host, each with its package, as Debian calls it."""

FOR_THE_IMAGE = {"mmdebstrap", "fakeroot"}
"""Those that only build the guest image; one that is built, or was imported, needs them no more."""

EMULATING = {"aarch64", "arm64"}
"""Processors on which QEMU emulates the guests' x86_64; an image is not built there, but imported."""

MACHINES = 2
"""What a demo runs at once."""

MEMORY_MB = 2000
"""They have 768 MB each, and there is room to work."""


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was checked.
        ok: Whether it is as it should be.
        needed: Whether the lab cannot work without it.
        found: What was found.
        package: This host's package that has it, or several with blanks between; None when no package has.
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
        checks: All checks.
        mend: The commands that install what is missing.
    """

    checks: tuple[Check, ...]
    mend: tuple[str, ...]


def doctor(session: Session) -> Result[Diagnosis]:
    """Check this machine; changes nothing."""
    host = distribution.read()
    builds = builds_images(host)
    image = _image(session, builds=builds)
    checks = (
        _distribution(host),
        *programs(host, has_image=image.ok),
        *user_namespaces(has_image=image.ok or not builds),
        _processor(),
        _memory(),
        *space(session.home, has_image=image.ok, builds=builds),
        _kvm(session),
        image,
        _known_kernels(session, host),
        *_vagrant(session, host),
        _config(session),
    )
    mend = (*_commands(host, checks, needed=True), *_commands(host, checks, needed=False))
    broken = any(check.needed and not check.ok for check in checks)
    return Result(Diagnosis(checks, mend), BROKEN if broken else AS_ASKED)


def _commands(host: Distribution, checks: Sequence[Check], *, needed: bool) -> list[str]:
    """Return the command that installs the missing packages: those the lab needs, or the optional ones."""
    packages = [
        package
        for check in checks
        if check.package and not check.ok and check.needed is needed
        for package in check.package.split()
    ]
    return [shlex.join(host.install(list(dict.fromkeys(packages))))] if packages else []


def _distribution(host: Distribution) -> Check:
    known = f"{host.name}, Python {platform.python_version()}"
    unknown = N_(f"{known}: no distribution that the lab knows packages of; {CONTAINER}")
    return Check(N_("host"), host.family is not None, needed=False, found=known if host.family else unknown)


def programs(host: Distribution, *, has_image: bool) -> list[Check]:
    """Check the programs that the lab runs.

    Args:
        host: The host's distribution.
        has_image: Whether the guest image is there, so that what builds it is not needed.
    """
    return [_program(host, name, needed=not (has_image and name in FOR_THE_IMAGE)) for name in PROGRAMS]


def _program(host: Distribution, name: str, *, needed: bool) -> Check:
    path = process.find(name)
    package = host.package(PROGRAMS[name])
    if path is not None:
        return Check(name, ok=True, needed=needed, found=path, package=package)
    way = N_("the container has it, or a machine that has it: lab image export, then lab image import here")
    if name not in FOR_THE_IMAGE:
        way = CONTAINER
    missing = N_("not installed") if package else N_(f"not installed, and {host.name} has no package of it: {way}")
    return Check(name, ok=False, needed=needed, found=missing, package=package)


def user_namespaces(root: Path = Path("/"), *, has_image: bool) -> list[Check]:
    """Check what building the guest image needs of the kernel for an ordinary user; root needs none of it."""
    if os.geteuid() == 0 and root == Path("/"):
        return []
    problem = namespaces.problem(root)
    found = problem or N_("an ordinary user can build the guest image")
    return [Check(N_("user namespaces"), problem is None, needed=not has_image, found=found)]


def _processor() -> Check:
    kind = platform.machine()
    found = N_(f"{kind}, {os.cpu_count()} cores")
    if kind in EMULATING:
        emulated = N_(f"{kind}, {os.cpu_count()} cores: guests are x86_64, under emulation")
        return Check(N_("processor"), ok=True, needed=True, found=emulated)
    return Check(N_("processor"), kind == "x86_64", needed=True, found=found)


def _memory() -> Check:
    free_mb = psutil.virtual_memory().available // 1_000_000
    return Check(N_("memory"), free_mb >= MEMORY_MB, needed=True, found=N_(f"{free_mb} MB free, {MEMORY_MB} MB needed"))


def builds_images(host: Distribution) -> bool:
    """Return whether the guest image can be built on this machine; otherwise it is imported."""
    has_program = process.find("mmdebstrap") is not None or host.package("mmdebstrap") is not None
    return has_program and platform.machine() not in EMULATING


def space(home: Home, *, has_image: bool, builds: bool) -> list[Check]:
    """Check the disk space for what is still to be written: the guest image if it is not there, and machines' disks.

    Args:
        home: The directories of the lab.
        has_image: Whether the guest image is there.
        builds: Whether this machine builds it, rather than importing it.
    """
    checks = []
    if not has_image:
        needed_mb = build.NEEDED_MB if builds else build.STORED_MB
        free_mb = _free_mb(home.cache)
        build_it = N_(f"{free_mb} MB free for {home.cache}, {needed_mb} MB needed to build the guest image")
        import_it = N_(f"{free_mb} MB free for {home.cache}, {needed_mb} MB needed to import the guest image")
        found = build_it if builds else import_it
        checks.append(Check(N_("space"), free_mb >= needed_mb, needed=True, found=found))
    needed_mb = MACHINES * DISK_GROWTH_MB
    free_mb = _free_mb(home.path)
    found = N_(f"{free_mb} MB free for {home.path}, {needed_mb} MB needed for {MACHINES} machines' disks")
    checks.append(Check(N_("space for machines"), free_mb >= needed_mb, needed=True, found=found))
    return checks


def _free_mb(directory: Path) -> int:
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    return shutil.disk_usage(existing).free // 1_000_000


def _kvm(session: Session) -> Check:
    if not Path("/dev/kvm").exists():
        return Check("KVM", ok=False, needed=False, found=N_("there is no /dev/kvm: software emulation is used"))
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Check("KVM", ok=False, needed=False, found=N_("no permission for /dev/kvm: software emulation is used"))
    try:
        answer = json.loads((session.home.cache / "accelerator.json").read_text())["accelerator"]
    except (OSError, ValueError, KeyError):
        return Check("KVM", ok=True, needed=False, found=N_("/dev/kvm exists; the first 'lab up' tests it"))
    if answer == "kvm":
        return Check("KVM", ok=True, needed=False, found=N_("a guest booted under it"))
    return Check(
        "KVM", ok=False, needed=False, found=N_("/dev/kvm is there but no guest boots under it: emulation is used")
    )


def _vagrant(session: Session, here: Distribution) -> list[Check]:
    """Check each way to use Vagrant, which is optional."""
    host = Host(session.home, session.work)
    checks = []
    for kind, hypervisors in (("CentOS", FOR_CENTOS), (N_("replicas"), FOR_REPLICAS)):
        problems = {hypervisor: host.problem(hypervisor) for hypervisor in hypervisors}
        usable = [hypervisor for hypervisor, problem in problems.items() if problem is None]
        reasons = "; ".join(dict.fromkeys(problem for problem in problems.values() if problem))
        finding = N_(f"under {', '.join(usable)}") if usable else reasons
        package = " ".join(here.packages(host.packages())[0]) or None
        checks.append(Check(N_(f"Vagrant, {kind}"), bool(usable), needed=False, found=finding, package=package))
    return checks


def _config(session: Session) -> Check:
    path = session.home.config
    none = N_(f"none; it would be {path}, with keys system, provider, hypervisor")
    finding = str(path) if path.exists() else none
    return Check(N_("config file"), ok=True, needed=False, found=finding)


def _known_kernels(session: Session, host: Distribution) -> Check:
    """Check what known kernels need: the program that verifies them, and the cache."""
    gpgv = process.find("gpgv")
    try:
        kernels = known.load(PROVISION)
    except BadInput as error:
        return Check(N_("known kernels"), ok=False, needed=False, found=error.message)
    cached = [one.name for one in kernels if obtain.is_cached(one, session.home.cache)]
    there = N_(f"{len(cached)} of {len(kernels)} in the cache")
    there += f": {', '.join(cached)}" if cached else ""
    finding = there if gpgv else N_(f"gpgv is not installed, so that no other can be verified; {there}")
    return Check(N_("known kernels"), gpgv is not None, needed=False, found=finding, package=host.package("gpgv"))


def _image(session: Session, *, builds: bool) -> Check:
    recipe = Recipe.from_environment(PROVISION)
    built = build.is_built(build.Image(build.path_of(recipe, session.home.cache)))
    missing = N_("not built yet: the first 'lab up' builds it, in two minutes or so")
    if not builds:
        missing = N_("not there, and not built on this machine: lab image export on another, lab image import here")
    return Check(N_("guest image"), ok=built, needed=not builds, found=N_("built") if built else missing)
