"""The program that makes a check's trials: static, built here, for machines like this one."""

from __future__ import annotations

import platform
import shutil
import tempfile
from pathlib import Path

from lab import process
from lab.home import PROVISION, Home
from lab.image.recipe import digest_of
from lab.work import Work

SOURCES = ("check", "lanes", "verdict", "clients")
"""The directories of provision/ that it is built from."""

BUILD_BOUND_S = 120.0
"""A second or two, as a rule."""


def architecture() -> str:
    """Give what it is built for, as `uname -m` says it."""
    return platform.machine()


def built(home: Home, work: Work) -> Path:
    """Give the program, built when there is none of these sources yet.

    Raises:
        BrokenEnvironment: the compiler is missing, or it could not be built.
    """
    directories = [PROVISION / name for name in SOURCES]
    files = [path for directory in directories for path in sorted(directory.iterdir()) if _is_source(path)]
    path = home.path / "check" / f"check-{digest_of(PROVISION, files)}-{architecture()}"
    if not path.exists():
        with work.step("building the program that makes the trials"):
            _build(files, path, work)
    return path


def _is_source(path: Path) -> bool:
    return path.suffix in {".c", ".h"} or path.name == "Makefile"


def _build(files: list[Path], path: Path, work: Work) -> None:
    make = process.require("make", "make")
    process.require("musl-gcc", "musl-tools")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=path.parent) as made:
        place = Path(made)
        for file in files:
            copy = place / file.relative_to(PROVISION)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, copy)
        log = path.with_name("build.log")
        process.run([make, "-C", place / "check", "check"], work=work, log=log, bound_s=BUILD_BOUND_S)
        (place / "check" / "check").rename(path)
