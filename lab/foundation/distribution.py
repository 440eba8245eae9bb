"""The distribution of this host, and what packages are called there: data in `provision/host/`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.foundation.home import PROVISION

HOST = PROVISION / "host"

FAMILIES = ("debian", "fedora", "rhel", "suse")
"""The columns of the tables of packages."""

ANY = "*"
"""In a table: any release."""

ABSENT = "-"
"""In a table: the family has no such package."""

INSTALL = {
    "debian": ("apt-get", "install", "--no-install-recommends"),
    "fedora": ("dnf", "install", "--setopt=install_weak_deps=False"),
    "rhel": ("dnf", "install"),
    "suse": ("zypper", "install", "--no-recommends"),
}
"""What installs packages, by family."""

CONTAINER = "the container has everything: docs/guides/class.md"


@dataclass(frozen=True)
class Distribution:
    """A host's distribution.

    Attributes:
        name: What it is called, for people.
        family: The column of the tables that fits it; None where none does.
        python: The program that is Python 3.11 or newer.
        python_packages: Its packages.
    """

    name: str
    family: str | None
    python: str
    python_packages: tuple[str, ...]

    def package(self, debian: str) -> str | None:
        """Return what a package of Debian's is called here; None where the distribution has none, or is not known."""
        if self.family is None:
            return None
        # A package of Debian's that is in no table has its own name on Debian.
        name = _tables().get(debian, {}).get(self.family, debian if self.family == FAMILIES[0] else ABSENT)
        return None if name == ABSENT else name

    def packages(self, debian: Iterable[str]) -> tuple[list[str], list[str]]:
        """Return the packages here that correspond to packages of Debian's, and those that have no counterpart."""
        named = {name: self.package(name) for name in debian}
        there = dict.fromkeys(package for package in named.values() if package)
        return list(there), [name for name, package in named.items() if package is None]

    @property
    def wanted(self) -> list[str]:
        """What the lab needs on its host, as Debian calls it, without Python."""
        return list(_table(HOST / "packages.txt"))

    def install(self, packages: Sequence[str]) -> list[str]:
        """Return the command that installs packages here, as root or by sudo; the family must be known."""
        return [*([] if os.geteuid() == 0 else ["sudo"]), *INSTALL[self.family or "debian"], *packages]


def read(root: Path = Path("/")) -> Distribution:
    """Return the distribution that a root file system is of (os-release(5))."""
    fields = _os_release(root)
    name = fields.get("PRETTY_NAME") or fields.get("ID") or "a system without /etc/os-release"
    row = _fitting(fields.get("ID", ""), fields.get("ID_LIKE", "").split(), fields.get("VERSION_ID", ""))
    if row is None:
        return Distribution(name, None, "python3", ())
    _, _, family, python, *packages = row
    return Distribution(name, family, python, tuple(packages))


def _fitting(own: str, likes: Sequence[str], release: str) -> list[str] | None:
    """Return the first line of the table that fits a distribution itself, else what it is most like."""
    rows = [(row[0].split(","), row[1], row) for row in _rows(HOST / "distributions.txt")]
    itself = (row for ids, begins, row in rows if own in ids and (begins == ANY or _begins(release, begins)))
    like = (row for one in likes for ids, begins, row in rows if one in ids and begins == ANY)
    return next(itself, None) or next(like, None)


def hint(*debian: str) -> str:
    """Return the sentence that says how to install packages on this host.

    Args:
        debian: The packages, as Debian calls them.
    """
    host = read()
    there, absent = host.packages(debian)
    if host.family is None:
        return f"install what Debian calls {' '.join(debian)}; or use the container: docs/guides/class.md"
    if absent:
        return f"{host.name} has no package for {' '.join(absent)}: {CONTAINER}"
    return f"install it: {shlex.join([*INSTALL[host.family], *there])}"


def _begins(release: str, begins: str) -> bool:
    return release == begins or release.startswith(f"{begins}.")


def _os_release(root: Path) -> dict[str, str]:
    for place in ("etc/os-release", "usr/lib/os-release"):
        try:
            text = (root / place).read_text(errors="replace")
        except OSError:
            continue
        pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
        return {key.strip(): _unquoted(value) for key, _, value in pairs}
    return {}


def _unquoted(value: str) -> str:
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value.strip()


def _rows(path: Path) -> Iterator[list[str]]:
    for line in path.read_text().splitlines():
        if row := line.split("#")[0].split():
            yield row


def _table(path: Path) -> dict[str, dict[str, str]]:
    return {row[0]: dict(zip(FAMILIES, row, strict=True)) for row in _rows(path)}


@cache
def _tables() -> dict[str, dict[str, str]]:
    return _table(HOST / "packages.txt") | _table(HOST / "optional-packages.txt")
