"""Sources of CentOS's packages, and the packages that a machine needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from lab.catalogue.document import Model, read

Url = Annotated[str, Field(pattern=r"^(https?|file)://[^\s]+$")]
KeyFile = Annotated[str, Field(pattern=r"^/[\w./-]+$")]
Packages = tuple[Annotated[str, Field(pattern=r"^[\w.+-]+$")], ...]


class SystemtapPackages(Model):
    """The packages that systemtap needs.

    Attributes:
        packages: Packages from the vault.
        debuginfo: Address of the kernels' debug information.
        debuginfo_key: Its signing key, as a file in the guest.
        debuginfo_packages: Its packages; each exists per kernel.
    """

    packages: Packages
    debuginfo: Url
    debuginfo_key: KeyFile
    debuginfo_packages: Packages


class Sources(Model):
    """The sources of packages.

    Attributes:
        vault: Addresses of the vault and its mirrors, in the order in which they are tried.
        key: The packages' signing key, as a file in the guest.
        packages: Packages for every machine, in addition to the kernel.
        last_release: The last release in the vault.
        from_last_release: Packages that may come from the last release.
        trace: The packages that systemtap needs.
    """

    vault: Annotated[tuple[Url, ...], Field(min_length=1)]
    key: KeyFile
    packages: Packages
    last_release: Annotated[str, Field(pattern=r"^7\.\d\.\d{4}$")]
    from_last_release: Packages
    trace: SystemtapPackages


def read_sources(provision: Path) -> Sources:
    """Read the sources from the directory `provision/`.

    Raises:
        BadInput: the file is invalid.
    """
    return read(provision / "centos" / "sources.toml", Sources)
