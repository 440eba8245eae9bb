"""The lab installed from a wheel, beside nothing but the packages it needs to run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from types import MappingProxyType

from lab.foundation.home import PROJECT

_PINNED = re.compile(r"^([a-z0-9-]+)==", re.MULTILINE)

BOUND_S = 120.0


@dataclass(frozen=True)
class Installed:
    """An installed lab and a user of it.

    Attributes:
        program: Its command line.
        package: Where the package `lab` lies.
        user: The user's home directory, which holds an empty directory to work in.
    """

    program: Path
    package: Path
    user: Path

    @property
    def empty(self) -> Path:
        """The directory that commands are run in."""
        return self.user / "empty"

    @property
    def home(self) -> Path:
        """The lab's home where nothing names one."""
        return self.user / ".local" / "state" / "five-second-lab"

    def run(
        self, *arguments: str, bound_s: float = BOUND_S, variables: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        """Run a lab command in the empty directory."""
        return self._run([self.program, *arguments], bound_s, variables)

    def python(self, program: str) -> str:
        """Return what a Python program prints that is run with the installed package."""
        done = self._run([self.program.with_name("python"), "-c", program], BOUND_S, {})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _run(
        self, command: list[Path | str], bound_s: float, variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(self.user), "PATH": os.environ["PATH"], "COLUMNS": "120", **variables}
        return subprocess.run(
            command, env=environment, cwd=self.empty, capture_output=True, text=True, timeout=bound_s, check=False
        )


def install(directory: Path) -> Installed:
    """Build a source distribution of this checkout, a wheel of that, and install it in a new environment.

    Args:
        directory: Takes all of it; it is outside of any checkout.
    """
    source = _built(PROJECT, directory / "dist", "sdist")
    (directory / "source").mkdir()
    subprocess.run(["tar", "-xf", source, "-C", directory / "source"], check=True)
    (unpacked,) = (directory / "source").iterdir()
    wheel = _built(unpacked, directory / "dist", "wheel")

    environment = directory / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python3*/site-packages")
    _link_requirements(packages)
    pip = [sys.executable, "-m", "pip", f"--python={environment / 'bin' / 'python'}", "install"]
    subprocess.run([*pip, "--quiet", "--no-index", "--no-deps", wheel], check=True)

    user = directory / "user"
    (user / "empty").mkdir(parents=True)
    return Installed(environment / "bin" / "lab", packages / "lab", user)


def _built(project: Path, target: Path, kind: str) -> Path:
    before = set(target.glob("*"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (made,) = set(target.glob("*")) - before
    return made


def _link_requirements(packages: Path) -> None:
    """Have an environment the packages of requirements.txt as they are installed here, and no others."""
    for name in _PINNED.findall((PROJECT / "requirements.txt").read_text()):
        found = distribution(name)
        tops = {Path(file).parts[0] for file in found.files or () if ".." not in Path(file).parts}
        for top in tops - {"__pycache__"}:
            here = packages / top
            if not here.exists():
                here.symlink_to(Path(str(found.locate_file(top))))
