"""Where the lab keeps things: what belongs to one lab, and what all labs of a user share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

PROJECT = Path(__file__).resolve().parents[1]
"""The checkout: `provision/` and `scenarios/` lie here, beside the package."""

PROVISION = PROJECT / "provision"
SCENARIOS = PROJECT / "scenarios"
MACHINES = PROJECT / "lab" / "machines"


@dataclass(frozen=True)
class Home:
    """The directories of one lab.

    Attributes:
        path: Machines, keys, runs and the log of this lab.
        cache: Guest images, shared by all labs of a user.
        config: The user's config file; it need not exist.
    """

    path: Path
    cache: Path
    config: Path

    @classmethod
    def from_environment(cls) -> Home:
        """Give LAB_HOME (by default `.lab` in the checkout), LAB_CACHE and LAB_CONFIG (by default the user's own)."""
        home = os.environ.get("LAB_HOME")
        cache = os.environ.get("LAB_CACHE")
        config = os.environ.get("LAB_CONFIG")
        return cls(
            path=Path(home).absolute() if home else PROJECT / ".lab",
            cache=Path(cache).absolute() if cache else Path(platformdirs.user_cache_dir("five-second-lab")),
            config=Path(config).absolute()
            if config
            else Path(platformdirs.user_config_dir("five-second-lab")) / "config.toml",
        )

    @property
    def runs(self) -> Path:
        """One directory a run."""
        return self.path / "runs"

    @property
    def kernels(self) -> Path:
        """One directory for each kernel that was added."""
        return self.path / "kernels"

    @property
    def cells(self) -> Path:
        """The cells of matrices: one directory for all that goes into one."""
        return self.path / "cells"

    @property
    def log(self) -> Path:
        """Every step of every command, as JSON lines."""
        return self.path / "lab.log"

    def machine(self, name: str) -> Path:
        """One machine's disk, console and state."""
        return self.path / "machines" / name

    def choice(self, name: str) -> Path:
        """How a machine is brought up."""
        return self.machine(name) / "choice.json"

    def machine_lock(self, name: str) -> Path:
        """Held by the command that is using the machine."""
        return self.path / "machines" / f"{name}.lock"
