"""Reads a package's dependencies on other kernel packages, so that an error can name those that were not given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.foundation.later import Later
from lab.kernels import rpm_file

if TYPE_CHECKING:
    import libarchive
else:
    libarchive = Later("libarchive")

CONTROL = "control.tar"
"""Member with the metadata of a Debian package, with any compression suffix: deb(5)."""

_MOST_CONTROL_BYTES = 16_000_000
"""Size limit of the metadata, which include the package's file list."""

_FIELD = re.compile(r"^(Package|Pre-Depends|Depends):((?:.*)(?:\n[ \t].*)*)", re.MULTILINE)
"""deb-control(5): continuation lines begin with a blank."""

_OF_DEBIAN = re.compile(r"linux-(image|binary|modules|base|headers|kbuild)-\S+")
"""Packages with files of a kernel or its headers; a plain `linux-base` contains only scripts."""

_OF_RPM = re.compile(r"(kernel(?:-\w+)*-(?:core|modules|modules-core))(?:-uname-r)?")
"""Packages of Fedora's and RHEL's kernel.spec, which require each other as NAME-uname-r."""


@dataclass(frozen=True)
class PackageMetadata:
    """Metadata of a package.

    Attributes:
        name: Package name.
        needs: Kernel packages that it depends on.
    """

    name: str
    needs: tuple[str, ...]


def read(path: Path) -> PackageMetadata | None:
    """Read a package's metadata; None when they cannot be read."""
    try:
        with path.open("rb") as file:
            is_rpm = file.read(len(rpm_file.LEAD)) == rpm_file.LEAD
        if is_rpm:
            rpm = rpm_file.read(path)
            return PackageMetadata(rpm.name, _matching(_OF_RPM, rpm.requires))
        return of_control(_control(path))
    except (rpm_file.RpmFileError, libarchive.ArchiveError, OSError):
        return None


def of_control(text: str) -> PackageMetadata | None:
    """Parse a Debian control file; None without a package name. Only the first of alternatives counts."""
    fields = {name: value.strip() for name, value in _FIELD.findall(text)}
    if "Package" not in fields:
        return None
    relations = f"{fields.get('Pre-Depends', '')},{fields.get('Depends', '')}".split(",")
    names = (words[0] for relation in relations if (words := re.split(r"[\s|(:]", relation.strip())))
    return PackageMetadata(fields["Package"], _matching(_OF_DEBIAN, names))


def missing(packages: Sequence[PackageMetadata]) -> dict[str, list[str]]:
    """Return the packages that are needed and absent, by the package that needs them."""
    there = {one.name for one in packages}
    lacking = {one.name: [name for name in one.needs if name not in there] for one in packages}
    return {name: names for name, names in lacking.items() if names}


def describe(lacking: Mapping[str, Sequence[str]]) -> str:
    """Return a sentence about missing packages."""
    names = dict.fromkeys(name for needed in lacking.values() for name in needed)
    verb = "need" if len(lacking) > 1 else "needs"
    return f"{', '.join(lacking)} {verb} packages that were not given: {', '.join(names)}"


def _matching(pattern: re.Pattern[str], names: Iterable[str]) -> tuple[str, ...]:
    matches = (match for name in names if (match := pattern.fullmatch(name)))
    return tuple(dict.fromkeys(match[1] if pattern is _OF_RPM else match[0] for match in matches))


def _control(path: Path) -> str:
    """Return a Debian package's control file; empty when it has none."""
    with libarchive.file_reader(str(path), "ar") as members:
        for member in members:
            if member.pathname.startswith(CONTROL):
                content = b"".join(member.get_blocks()) if (member.size or 0) <= _MOST_CONTROL_BYTES else b""
                return _control_in(content)
    return ""


def _control_in(archive: bytes) -> str:
    with libarchive.memory_reader(archive, "tar") as entries:
        for entry in entries:
            if entry.pathname.removeprefix("./") == "control" and (entry.size or 0) <= _MOST_CONTROL_BYTES:
                return b"".join(entry.get_blocks()).decode(errors="replace")
    return ""
