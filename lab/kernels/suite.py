"""Obtains a kernel of a Debian suite with apt in a private configuration; apt verifies the packages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from lab.foundation import process
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.work import Work
from lab.kernels import web
from lab.kernels.apt import PrivateApt, mirror
from lab.kernels.known import Known

SIGNER = "apt"
"""Replaces a key fingerprint: Debian packages are verified by the signed index of their suite."""

_OF_A_KERNEL = re.compile(r"linux-(image|binary|modules|base|headers|kbuild)-\d\S*")
"""Packages with a kernel's files, among all dependencies. Metapackages have no version in their names."""

_DEPENDS_ONLY = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")


def release_file(known: Known, bound_s: float) -> str:
    """Return the address of the signed index of a kernel's suite.

    Args:
        known: The kernel.
        bound_s: Timeout of apt in seconds.

    Raises:
        BrokenEnvironment: no mirror is known, or its address is not http or https.
    """
    address = mirror(bound_s)
    if not web.is_address(address):
        raise BrokenEnvironment(f"the Debian mirror has no web address: {address}")
    return f"{address}/dists/{known.suite}/InRelease"


def obtain(known: Known, directory: Path, source_dir: Path | None, work: Work) -> Sequence[Path]:
    """Download the packages of a suite's kernel, verified by apt.

    Args:
        known: The kernel.
        directory: Target directory.
        source_dir: Must be None: a Debian package alone has no signature.
        work: Reports the steps; its cancellation ends them.

    Raises:
        BadInput: a directory was given.
        BrokenEnvironment: apt or Debian's keys are missing, or the suite cannot be downloaded or verified.
        Cancelled: the work was cancelled.
    """
    if source_dir is not None:
        raise BadInput(
            f"the packages of {known.name} cannot be taken from a directory: a Debian package alone has no signature",
            hint="add the packages themselves: lab kernel add linux-image-....deb linux-headers-....deb",
        )
    scratch = directory / "apt"
    try:
        return _download_packages(known, directory, scratch, work)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _download_packages(known: Known, directory: Path, scratch: Path, work: Work) -> Sequence[Path]:
    apt = PrivateApt(known.suite or "", scratch, f"the packages of {known.name}", work)
    apt.prepare()
    with work.step(f"reading the index of Debian {known.suite}"):
        apt.get("update")
    leave_out = [f"--no-{kind}" for kind in _DEPENDS_ONLY]
    depends = [process.require("apt-cache", "apt"), *apt.options, "depends", "--recurse", *leave_out, *known.packages]
    listed = process.output_of(depends, bound_s=60)
    names = sorted({line.strip() for line in listed.splitlines() if _OF_A_KERNEL.fullmatch(line.strip())})
    if not names:
        raise BrokenEnvironment(f"Debian {known.suite} has no kernel by {', '.join(known.packages)}")
    packages = scratch / "packages"
    packages.mkdir()
    with work.step(f"downloading {len(names)} packages of the kernel of Debian {known.suite}"):
        apt.get("download", *names, cwd=packages)
    for old in directory.glob("*.deb"):
        old.unlink()
    return [path.replace(directory / path.name) for path in sorted(packages.iterdir())]
