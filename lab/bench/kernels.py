"""Measures the time from a kernel's package to its era."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lab.bench.figure import Figures, median
from lab.bench.tools import REPEATS, new_session, timed
from lab.commands import classify, kernels
from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from lab.kernels.source import Given
from lab.kernels.store import IMAGE
from lab.provider import accelerator
from lab.session.session import Session

METAPACKAGE = "linux-image-amd64"
"""Metapackage of Debian's current generic kernel: the largest that users are likely to add."""

DOWNLOAD_BOUND_S = 300.0


def from_package_to_answer(directory: Path) -> Figures:
    """Compare adding and classifying a kernel, given only its package, with booting it bare."""
    package = _fetched(directory)
    took: list[float] = []
    added: list[float] = []
    bare: list[float] = []
    with new_session(directory) as session:
        for number in range(REPEATS):
            name = f"measured-{number}"
            image = session.kernels.path(name) / IMAGE
            added.append(timed(partial(_add, session, package, name)))
            took.append(added[-1] + timed(partial(_classify, session, name)))
            bare.append(timed(partial(_boot, accelerator.choose(image, session.home.cache, Work()), image)))
    return {
        "kernel_add_s": median(added),
        "from_package_to_era_s": median(took),
        "from_package_to_era_per_bare_boot": median(took) / median(bare),
    }


def _add(session: Session, package: Path, name: str) -> None:
    kernels.add(session, Given([str(package)]), name)


def _classify(session: Session, name: str) -> None:
    answer = classify.classify(session, [name]).data.machines[0].found
    if answer.era is None:
        raise BrokenEnvironment(f"its era cannot be determined, so there is nothing to measure: {answer.reason}")


def _boot(accel: str, image: Path) -> None:
    if not accelerator.boots(accel, image, Work(), bound_s=60):
        raise BrokenEnvironment("the bare kernel did not boot")


def _fetched(directory: Path) -> Path:
    """Download the package, which apt verifies, and return its path."""
    depends = process.output_of([process.require("apt-cache", "apt"), "depends", METAPACKAGE])
    name = next((word for word in depends.split() if word.startswith("linux-image-") and word != METAPACKAGE), None)
    if name is None:
        raise BrokenEnvironment(f"apt does not know the dependency of {METAPACKAGE}", hint="apt-get update")
    get = [process.require("apt-get", "apt"), "-q", "download", name]
    process.run(get, work=Work(), log=directory / "apt.log", bound_s=DOWNLOAD_BOUND_S, cwd=directory)
    return next(directory.glob(f"{name}_*.deb"))
