"""Where CentOS's packages are, and which a machine needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from lab.catalogue.document import Model, read

Url = Annotated[str, Field(pattern=r"^(https?|file)://[^\s]+$")]
KeyFile = Annotated[str, Field(pattern=r"^/[\w./-]+$")]
Packages = tuple[Annotated[str, Field(pattern=r"^[\w.+-]+$")], ...]


class Trace(Model):
    """What systemtap needs.

    Attributes:
        packages: From the vault.
        debuginfo: Where the kernels' debug information is.
        debuginfo_key: The key it is signed with, as a file in the guest.
        debuginfo_packages: Its packages; each exists for each kernel.
    """

    packages: Packages
    debuginfo: Url
    debuginfo_key: KeyFile
    debuginfo_packages: Packages


class Sources(Model):
    """Where packages come from.

    Attributes:
        vault: Addresses of the vault and its mirrors, in the order they are tried.
        key: The key that packages are signed with, as a file in the guest.
        packages: What every machine needs, the kernel's own aside.
        last_release: The last release that the vault has.
        from_last_release: What may come from there.
        trace: What systemtap needs.
    """

    vault: Annotated[tuple[Url, ...], Field(min_length=1)]
    key: KeyFile
    packages: Packages
    last_release: Annotated[str, Field(pattern=r"^7\.\d\.\d{4}$")]
    from_last_release: Packages
    trace: Trace


def of(provision: Path) -> Sources:
    """Read them from the directory `provision/`.

    Raises:
        BadInput: the file is not as it should be.
    """
    return read(provision / "centos" / "sources.toml", Sources)
