"""Known kernels, as data: where their packages are and which key must have signed them."""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

from pydantic import Field, model_validator

from lab.catalogue.document import Model, read
from lab.catalogue.era import Era
from lab.catalogue.machine import NAME
from lab.foundation.errors import BadInput
from lab.foundation.near import near

_Address = Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]
_PackagePath = Annotated[str, Field(pattern=r"^[\w{][\w.+{}-]*(/[\w{][\w.+{}-]*)*$")]
_KeyPath = Annotated[str, Field(pattern=r"^(https?://[^\s@]+|[\w{][\w.+{}/-]*)$")]

_KNOWN_NAME = r"^[a-z][a-z0-9]*:[a-z0-9][a-z0-9._-]*$"
"""A family, a colon and a tag, like a container image's name."""


class _KeyTable(Model):
    """The key that signs a family's packages."""

    fingerprint: Annotated[str, Field(pattern=r"^[0-9A-F]{40}$")]
    files: Annotated[tuple[_KeyPath, ...], Field(min_length=1)]


class _KernelTable(Model):
    """One kernel of a family."""

    name: Annotated[str, Field(pattern=_KNOWN_NAME)]
    release: Annotated[str, Field(pattern=r"^[\w.+-]+$")]
    suite: Annotated[str, Field(pattern=r"^[a-z]+$")] | None = None
    era: Era | None = None
    measured: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_measured(self) -> Self:
        if (self.era is None) != (self.measured is None):
            raise ValueError("an era and the run that measured it ('measured') belong together")
        return self


class _Family(Model):
    """Kernels from one origin: one file."""

    packages: Annotated[tuple[_PackagePath, ...], Field(min_length=1)]
    checked: bool
    bases: tuple[_Address, ...] = ()
    key: _KeyTable | None = None
    kernel: Annotated[tuple[_KernelTable, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if bool(self.bases) != (self.key is not None):
            raise ValueError("'bases' and '[key]' belong together: packages of a vault are verified with its key")
        if any((one.suite is None) != bool(self.bases) for one in self.kernel):
            raise ValueError("a kernel has a 'suite' where, and only where, its family has no 'bases'")
        return self


@dataclass(frozen=True)
class Key:
    """A signing key.

    Attributes:
        fingerprint: Its fingerprint, 40 hexadecimal digits; no other key is accepted.
        files: Its file: paths below a base, or addresses.
    """

    fingerprint: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """A kernel that is known by name.

    Attributes:
        name: Its name, such as "centos:7.0.1406".
        release: Output of `uname -r`; for a suite, which moves, its kernel series.
        packages: Paths below a base; for a suite package names.
        bases: Addresses of its packages, in the order in which they are tried; empty for a suite.
        key: The key that signs its packages; None for a suite, which apt verifies.
        suite: The Debian suite with the packages; None for those of a vault.
        checked: Whether the packages' paths were compared with a listing of the server.
        era: Its era, where it was measured on this kernel.
        measured: The run that measured the era.
    """

    name: str
    release: str
    packages: tuple[str, ...]
    bases: tuple[str, ...]
    key: Key | None
    suite: str | None
    checked: bool
    era: Era | None
    measured: str | None

    @property
    def store_name(self) -> str:
        """Its name in the store: a machine name such as "centos-7-0-1406"."""
        return store_name(self.name)

    @property
    def files(self) -> tuple[str, ...]:
        """File names of its packages; empty for a suite, whose versions change."""
        return () if self.suite else tuple(PurePosixPath(path).name for path in self.packages)


def store_name(name: str) -> str:
    """Return the machine name for a known kernel's name."""
    return re.sub(r"[^a-z0-9]+", "-", name)


def load(provision: Path) -> tuple[Known, ...]:
    """Read all known kernels, sorted by name; from the directory LAB_KERNELS if that is set.

    Args:
        provision: The directory `provision/`.

    Raises:
        BadInput: a file is invalid, or two kernels have one name.
    """
    kernels: dict[str, Known] = {}
    directory = Path(os.environ.get("LAB_KERNELS") or provision / "kernels")
    for path in sorted(directory.glob("*.toml")):
        family = read(path, _Family)
        for kernel in family.kernel:
            known = _known(family, kernel)
            if re.fullmatch(NAME, known.store_name) is None:
                raise BadInput(f"{path}: {known.name} is too long: '{known.store_name}' is not a valid machine name")
            if known.store_name in kernels:
                raise BadInput(f"{path}: there is already a kernel '{known.name}' or '{known.store_name}'")
            kernels[known.store_name] = known
    return tuple(sorted(kernels.values(), key=lambda one: _by_numbers(one.name)))


def get(provision: Path, name: str) -> Known:
    """Return the known kernel with a name.

    Raises:
        BadInput: there is none; the hint lists similar names.
    """
    kernels = {known.name: known for known in load(provision)}
    if name not in kernels:
        raise BadInput(f"no known kernel is called '{name}'", hint=_near(name, list(kernels)))
    return kernels[name]


def matching(provision: Path, pattern: str) -> tuple[Known, ...]:
    """Return the known kernels whose names match a shell pattern, such as "centos:7.*"."""
    return tuple(known for known in load(provision) if fnmatch.fnmatchcase(known.name, pattern))


def _known(family: _Family, kernel: _KernelTable) -> Known:
    tag = kernel.name.partition(":")[2]

    def filled(text: str) -> str:
        return text.replace("{tag}", tag).replace("{release}", kernel.release)

    return Known(
        name=kernel.name,
        release=kernel.release,
        packages=tuple(filled(path) for path in family.packages),
        bases=family.bases,
        key=Key(family.key.fingerprint, tuple(filled(path) for path in family.key.files)) if family.key else None,
        suite=kernel.suite,
        checked=family.checked,
        era=kernel.era,
        measured=kernel.measured,
    )


def _near(name: str, names: list[str]) -> str:
    close = near(name, names)
    return f"did you mean {' or '.join(close)}? all of them: lab kernel known" if close else "see: lab kernel known"


def _by_numbers(name: str) -> list[str | int]:
    """Return a sort key that puts 7.9 before 7.10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
