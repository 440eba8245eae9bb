"""Directories of the lab: those of one lab, and those shared by all labs of a user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from lab.foundation.errors import BadInput

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "data"
"""In a wheel, which is one package (pyproject.toml), what lies beside `lab/` in a checkout lies here."""

PROJECT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
"""Where `Vagrantfile.j2`, `provision/` and `scenarios/` are; they may be readable only."""

PROVISION = PROJECT / "provision"
SCENARIOS = PROJECT / "scenarios"
MACHINES = _PACKAGE / "machines"

NAME = "five-second-lab"
"""What the lab's directories are called in the user's own (XDG Base Directory Specification)."""


@dataclass(frozen=True)
class Home:
    """The directories of one lab.

    Attributes:
        path: Machines, keys, runs and the log of this lab.
        cache: Guest images and built modules, shared by all labs of a user.
        config: The user's config file; it need not exist.
    """

    path: Path
    cache: Path
    config: Path

    @classmethod
    def from_environment(cls) -> Home:
        """Return LAB_HOME, LAB_CACHE and LAB_CONFIG, or the defaults of those that are not set.

        Raises:
            BadInput: LAB_CONFIG names no file.
        """
        home = os.environ.get("LAB_HOME")
        cache = os.environ.get("LAB_CACHE")
        config = os.environ.get("LAB_CONFIG")
        if config and not Path(config).exists():
            raise BadInput(
                f"LAB_CONFIG is '{config}', and there is no such file",
                hint="create it, or unset LAB_CONFIG: the default config file need not exist",
            )
        return cls(
            path=Path(home).absolute() if home else _default(Path.cwd()),
            cache=Path(cache).absolute() if cache else Path(platformdirs.user_cache_dir(NAME)),
            config=Path(config).absolute() if config else Path(platformdirs.user_config_dir(NAME)) / "config.toml",
        )

    @property
    def runs(self) -> Path:
        """Runs, one directory each."""
        return self.path / "runs"

    @property
    def kernels(self) -> Path:
        """Added kernels, one directory each."""
        return self.path / "kernels"

    @property
    def cells(self) -> Path:
        """Cells of matrices, one directory for each set of inputs."""
        return self.path / "cells"

    @property
    def log(self) -> Path:
        """Log of all steps of all commands, as JSON lines."""
        return self.path / "lab.log"

    def machine(self, name: str) -> Path:
        """Return the directory of a machine's disk, console and state."""
        return self.path / "machines" / name

    def choice(self, name: str) -> Path:
        """Return the file that stores how a machine is brought up."""
        return self.machine(name) / "choice.json"

    def machine_lock(self, name: str) -> Path:
        """Return the lock file held by a command that uses the machine."""
        return self.path / "machines" / f"{name}.lock"


def is_checkout(directory: Path) -> bool:
    """Return whether a directory is a checkout of the project."""
    return (directory / "Vagrantfile.j2").is_file() and (directory / "lab" / "__init__.py").is_file()


def _default(current: Path) -> Path:
    """Return the home where LAB_HOME names none: `.lab` here if it is there or this is a checkout, else the user's."""
    here = current / ".lab"
    return here if here.is_dir() or is_checkout(current) else Path(platformdirs.user_state_dir(NAME))
