"""Lets the programs for a host of another architecture be compiled here: by a cross compiler, with Debian's musl."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lab.foundation import distribution, process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.files import locked, whole_directory
from lab.foundation.work import Work
from lab.image.recipe import SUITE
from lab.kernels.apt import BOUND_S, PrivateApt
from lab.kernels.archive import Wanted, unpack


@dataclass(frozen=True)
class CrossTarget:
    """An architecture that is compiled for elsewhere.

    Attributes:
        architecture: Its name, as printed by `uname -m`.
        debian: Its name in Debian.
        triplet: Prefix of the compiler's name, and name of its directories.
        compiler: The compiler's package.
    """

    architecture: str
    debian: str
    triplet: str
    compiler: str


TARGETS = (
    CrossTarget("aarch64", "arm64", "aarch64-linux-gnu", "gcc-aarch64-linux-gnu"),
    CrossTarget("x86_64", "amd64", "x86_64-linux-gnu", "gcc-x86-64-linux-gnu"),
)

PACKAGES = ("musl-dev", "linux-libc-dev")
"""What cross.sh needs of the other architecture: musl itself, and the kernel's headers."""

_WANTED = Wanted(
    paths=lambda path: PurePosixPath("usr/include") in path.parents or PurePosixPath("usr/lib") in path.parents,
    links=lambda _path: False,
)


def own_architecture() -> str:
    """Return the architecture of this machine, as printed by `uname -m`."""
    return platform.machine()


def buildable() -> tuple[str, ...]:
    """Return the architectures that programs are built for on this machine: its own first."""
    own = own_architecture()
    return (own, *(target.architecture for target in TARGETS if target.architecture != own))


def make_variables(architecture: str, cache: Path, work: Work) -> Sequence[str]:
    """Return the variables by which `make` builds for another architecture; its headers and musl are downloaded once.

    Args:
        architecture: One of `buildable()`, but not this machine's own.
        cache: Where the lab keeps downloads.
        work: Reports the download.

    Raises:
        BrokenEnvironment: the compiler is missing, or the packages cannot be obtained.
        Cancelled: the work was cancelled; nothing incomplete is left.
    """
    target = next(target for target in TARGETS if target.architecture == architecture)
    _require(f"{target.triplet}-gcc", target.compiler, architecture)
    _require("apt-get", "apt", architecture)
    root = _obtained(target, cache, work)
    return (
        # Relative to the program's own directory: make divides a value at its blanks.
        "MUSL_CC=sh ../check/cross.sh",
        f"CROSS={target.triplet}-",
        f"HEADERS_ROOT={root}",
        f"ARCH_HEADERS={target.triplet}",
    )


def _require(program: str, package: str, architecture: str) -> None:
    if process.find(program) is not None:
        return
    host = distribution.read()
    there = host.package(package)
    install = shlex.join(host.install([there])) if there else ""
    raise BrokenEnvironment(
        f"the program for a machine of architecture {architecture} is built by {program}, which is not installed",
        hint=f"install it: {install}; or run the lab on a machine of architecture {architecture}"
        if there
        else f"run the lab on a machine of architecture {architecture}",
    )


def _obtained(target: CrossTarget, cache: Path, work: Work) -> Path:
    """Return a directory with the unpacked packages."""
    root = cache / "cross" / f"{SUITE}-{target.debian}"
    what = f"musl for {target.debian}"
    with locked(cache / "cross.lock", what, work, bound_s=BOUND_S):
        if not root.exists():
            with work.step(f"downloading musl for {target.debian}"), whole_directory(root) as unfinished:
                scratch = unfinished / "apt"
                apt = PrivateApt(SUITE, scratch, what, work, target.debian)
                apt.prepare()
                apt.get("update")
                apt.get("download", *PACKAGES, cwd=scratch)
                for package in sorted(scratch.glob("*.deb")):
                    unpack(package, unfinished, _WANTED, work)
                apt.remove()
    return root
