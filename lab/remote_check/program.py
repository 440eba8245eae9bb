"""Builds the programs that are sent to a host: static, for the architecture of the host."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.foundation import process
from lab.foundation.home import PROVISION, Home
from lab.foundation.work import Work
from lab.image.recipe import digest_of
from lab.remote_check import cross


@dataclass(frozen=True)
class HostProgram:
    """A program for a host.

    Attributes:
        name: Its name, and that of its directory in provision/.
        what: What it does, for messages.
        sources: Directories of provision/ that it is built from.
    """

    name: str
    what: str
    sources: tuple[str, ...]


CHECK = HostProgram("check", "the program that runs the trials", ("check", "lanes", "verdict", "clients"))
WATCH = HostProgram("watch", "the program that watches", ("watch", "check", "lanes"))

BUILD_BOUND_S = 120.0
"""Timeout of the build, which usually takes a second or two."""


def built(home: Home, work: Work, program: HostProgram = CHECK, architecture: str | None = None) -> Path:
    """Return a program's path, building it if the current sources were not built yet.

    Args:
        home: Where it is built, and where downloads are kept.
        work: Reports the build.
        program: The program.
        architecture: What it is built for, as printed by `uname -m` there; None for this machine.

    Raises:
        BrokenEnvironment: the compiler is missing, or it could not be built.
    """
    target = architecture or cross.own_architecture()
    directories = [PROVISION / name for name in program.sources]
    files = [path for directory in directories for path in sorted(directory.iterdir()) if _is_source(path)]
    path = home.path / program.name / f"{program.name}-{digest_of(PROVISION, files)}-{target}"
    if not path.exists():
        make = process.require("make", "make")
        if target == cross.own_architecture():
            process.require("musl-gcc", "musl-tools")
            variables: Sequence[str] = ()
        else:
            variables = cross.make_variables(target, home.cache, work)
        with work.step(f"building {program.what}"):
            _build([make, *variables], program.name, files, path, work)
    return path


def _is_source(path: Path) -> bool:
    return path.suffix in {".c", ".h"} or path.name in {"Makefile", "cross.sh"}


def _build(make: Sequence[str], name: str, files: list[Path], path: Path, work: Work) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=path.parent) as made:
        place = Path(made)
        for file in files:
            copy = place / file.relative_to(PROVISION)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, copy)
        log = path.with_name("build.log")
        process.run([*make, "-C", place / name, name], work=work, log=log, bound_s=BUILD_BOUND_S)
        (place / name / name).rename(path)
