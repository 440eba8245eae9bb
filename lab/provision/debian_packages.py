"""Debian packages that a machine lacks, with what they depend on: fetched on the host, verified by apt, and kept."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from lab.catalogue.document import Model
from lab.foundation import regular
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.files import locked, require_space, whole_directory, write_whole
from lab.foundation.work import Work
from lab.image.recipe import SUITE
from lab.kernels.apt import BOUND_S, PrivateApt

STATUS = "/var/lib/dpkg/status"
"""What is installed in a Debian machine: dpkg(1)."""

NEEDED_MB = 300
"""Disk space for the index of the suite, 50 MB, and for packages."""

_MANIFEST = "manifest.json"


class _PackageDigests(Model):
    """The packages of a directory in the cache.

    Attributes:
        sha256: The digest of each by its file name.
    """

    sha256: dict[str, str]


def fetch(names: Sequence[str], status: str, cache: Path, work: Work) -> Sequence[Path]:
    """Return the files of packages and of those that they depend on, without what a machine has already.

    They are downloaded once for a machine's set of packages; afterwards no network is needed.

    Args:
        names: The packages.
        status: What the machine has, as in its /var/lib/dpkg/status.
        cache: Where packages are kept.
        work: Reports the steps; its cancellation ends them.

    Raises:
        BrokenEnvironment: there is no such package, or it cannot be downloaded or verified.
        Cancelled: the work was cancelled.
    """
    wanted = " ".join(sorted(names))
    key = hashlib.sha256(f"{SUITE}\0{wanted}\0{status}".encode()).hexdigest()[:16]
    directory = cache / "products" / key
    with locked(cache / "products.lock", "the packages of products", work, bound_s=BOUND_S):
        if not _is_whole(directory):
            require_space(cache, NEEDED_MB)
            shutil.rmtree(directory, ignore_errors=True)
            _download(names, status, directory, work)
    return sorted(directory.glob("*.deb"))


def _download(names: Sequence[str], status: str, directory: Path, work: Work) -> None:
    scratch = directory.with_name(f"apt-{directory.name}")
    apt = PrivateApt(SUITE, scratch, f"the Debian packages {', '.join(names)}", work)
    try:
        apt.prepare(status)
        with work.step(f"reading the index of Debian {SUITE}"):
            apt.get("update")
        with work.step(f"downloading the Debian packages {', '.join(names)}"):
            apt.get("install", "--yes", "--download-only", "--no-install-recommends", *names)
        found = sorted((scratch / "cache/archives").glob("*.deb"))
        with whole_directory(directory) as unfinished:
            for path in found:
                shutil.copyfile(path, unfinished / path.name)
            digests = {path.name: _digest(unfinished / path.name) for path in found}
            write_whole(unfinished / _MANIFEST, _PackageDigests(sha256=digests).model_dump_json(indent=1))
    except OSError as error:
        raise BrokenEnvironment(f"{apt.what} were not stored: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _is_whole(directory: Path) -> bool:
    """Return whether packages are in the cache as they were downloaded."""
    try:
        manifest = _PackageDigests.model_validate_json(regular.read(directory / _MANIFEST))
        return all(_digest(directory / name) == digest for name, digest in manifest.sha256.items())
    except (OSError, ValidationError):
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(regular.read(path)).hexdigest()
