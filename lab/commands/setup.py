"""`lab setup`: installs the packages that the lab needs on its host."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from lab.foundation import distribution, process
from lab.foundation.distribution import CONTAINER, Distribution
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.result import Result
from lab.foundation.work import Work

UNATTENDED = {
    "debian": ("--yes", "--quiet"),
    "fedora": ("--assumeyes", "--quiet"),
    "rhel": ("--assumeyes", "--quiet"),
    "suse": ("--no-confirm",),
}
"""What keeps a package manager from asking, by family."""

PROXIES = ("http_proxy", "https_proxy", "no_proxy")
"""Variables that sudo would remove."""


@dataclass(frozen=True)
class SetUp:
    """The packages that were installed, or would be.

    Attributes:
        missing: The packages that were not installed.
        commands: The commands that install them; none if nothing is missing.
        done: Whether the commands were run.
        absent: What this distribution has no package for, as Debian calls it.
    """

    missing: tuple[str, ...]
    commands: tuple[str, ...]
    done: bool
    absent: tuple[str, ...] = ()


def setup(work: Work, *, dry_run: bool) -> Result[SetUp]:
    """Install the packages that are missing, as root or by sudo, which may ask for a password on the terminal.

    Args:
        work: Reports what is installed.
        dry_run: Only return what would be done.

    Raises:
        BrokenEnvironment: this host's packages are not known, its user cannot become root, or the installation failed.
    """
    host = distribution.read()
    if host.family is None:
        raise BrokenEnvironment(
            f"{host.name} is none of the distributions that the lab knows",
            hint=f"install what Debian calls {' '.join(host.wanted)}; or use the container: docs/guides/class.md",
        )
    wanted, absent = host.packages(host.wanted)
    missing = _missing(host, [*host.python_packages, *wanted])
    commands = _commands(host, missing) if missing else []
    lines = tuple(shlex.join(command) for command in commands)
    if commands and not dry_run:
        work.note(f"installing {' '.join(missing)}")
        for command, line in zip(commands, lines, strict=True):
            _run(command, line)
    return Result(SetUp(tuple(missing), lines, bool(commands) and not dry_run, tuple(absent)))


def _missing(host: Distribution, wanted: Sequence[str]) -> list[str]:
    """Return those packages that are not installed."""
    if host.family == "debian":
        query = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n"]
    else:
        query = ["rpm", "--query", "--all", "--queryformat=installed %{NAME}\n"]
    if process.find(query[0]) is None:
        raise BrokenEnvironment(f"{query[0]} is not installed, though this is {host.name}", hint=CONTAINER)
    listed = (line.partition(" ") for line in process.output_of(query, bound_s=60).splitlines())
    installed = {name for status, _, name in listed if status == "installed"}
    return [package for package in wanted if package not in installed]


def _commands(host: Distribution, missing: Sequence[str]) -> list[list[str]]:
    assert host.family is not None  # noqa: S101  see setup
    program, verb, *options = distribution.INSTALL[host.family]
    install = [*_root(), *_quietly(host), program, verb, *UNATTENDED[host.family], *options, *missing]
    refresh = [[*_root(), "apt-get", "update", "--quiet"]] if host.family == "debian" else []
    return [*refresh, install]


def _root() -> list[str]:
    """Return what runs a command as root, with the proxies of this environment."""
    if os.geteuid() == 0:
        return []
    proxies = [name for name in PROXIES if name in os.environ]
    return ["sudo", *([f"--preserve-env={','.join(proxies)}"] if proxies else [])]


def _quietly(host: Distribution) -> list[str]:
    return ["env", "DEBIAN_FRONTEND=noninteractive"] if host.family == "debian" else []


def _run(command: Sequence[str], line: str) -> None:
    if process.find(command[0]) is None:
        raise BrokenEnvironment(f"{command[0]} is not installed", hint="run 'lab setup' as root")
    status = process.in_foreground(command, to_errors=True)
    if status != 0:
        raise BrokenEnvironment(f"'{line}' failed with exit status {status}", hint="its own messages are above")
