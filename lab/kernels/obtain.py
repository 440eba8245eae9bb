"""Obtains a known kernel's packages from the cache, a directory or the web, and keeps only verified ones."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from lab.catalogue.document import Model
from lab.foundation.errors import BadInput, BrokenEnvironment, LabError
from lab.foundation.files import locked, require_space, write_whole
from lab.foundation.work import Work
from lab.kernels import download, reach, signature, suite, web
from lab.kernels.known import Key, Known
from lab.kernels.openpgp import PublicKey

NEEDED_MB = 300
"""Disk space for a kernel's packages: CentOS 7's have 30 to 70 MB, kernel-devel 9 to 18 MB."""

_MOST_BYTES = 300_000_000
"""Most bytes of one package without debug information."""

_LOCK_BOUND_S = 3600.0
"""Another command may be downloading over a slow line."""

_MANIFEST = "packages.json"


class Package(Model):
    """A package in the cache.

    Attributes:
        file: File name.
        sha256: SHA-256 in hexadecimal.
        size_bytes: Size.
    """

    file: str
    sha256: str
    size_bytes: int


class _Manifest(Model):
    """The verified packages of one known kernel; written after all packages are present."""

    packages: tuple[Package, ...]
    signed_by: str


def bases(known: Known) -> tuple[str, ...]:
    """Return the base addresses of a vault's packages: LAB_VAULT if it is set, else those of the data file.

    Raises:
        BadInput: LAB_VAULT is not a web address.
    """
    vault = os.environ.get("LAB_VAULT", "")
    if not vault:
        return known.bases
    if not web.is_address(vault):
        raise BadInput(
            "LAB_VAULT is not a web address: it must be http:// or https:// and a host",
            hint="for packages in a directory: lab kernel add NAME --from DIR",
        )
    return (vault.rstrip("/"),)


def is_cached(known: Known, cache: Path) -> bool:
    """Return whether the cache has all verified packages of a known kernel."""
    return packages(known, cache) is not None


def packages(known: Known, cache: Path) -> tuple[Package, ...] | None:
    """Return the cached packages of a known kernel; None when they are incomplete."""
    directory = _directory(known, cache)
    try:
        manifest = _Manifest.model_validate_json((directory / _MANIFEST).read_bytes())
        are_whole = all((directory / one.file).stat().st_size == one.size_bytes for one in manifest.packages)
    except (OSError, ValueError):
        return None
    signer = known.key.fingerprint if known.key else suite.SIGNER
    is_same = manifest.signed_by == signer and (not known.files or known.files == _names(manifest.packages))
    return manifest.packages if are_whole and is_same else None


def can_download(known: Known, bound_s: float = 3.0) -> str | None:
    """Return None when a known kernel can be downloaded, otherwise the reason.

    One file is requested through the same proxies as the download; its content is not fetched.

    Args:
        known: The kernel.
        bound_s: Time limit in seconds.
    """
    began = time.monotonic()
    try:
        if known.suite:
            addresses = [suite.release_file(known, bound_s)]
        else:
            addresses = [f"{base}/{known.packages[0]}" for base in bases(known)]
    except LabError as error:
        return error.message
    return reach.why_not(addresses, max(began + bound_s - time.monotonic(), 0))


def obtain(known: Known, *, cache: Path, source_dir: Path | None, work: Work) -> tuple[Path, ...]:
    """Return the verified packages of a known kernel.

    Args:
        known: The kernel.
        cache: The user's cache, which keeps packages for all labs.
        source_dir: A directory with the packages, and the key file unless it is cached; None for the web.
        work: Reports the steps; its cancellation ends them. Partial downloads are resumed the next time.

    Raises:
        BadInput: a package is missing from the directory, or rejected.
        BrokenEnvironment: a package cannot be downloaded, or is rejected and not kept.
        Cancelled: the work was cancelled.
    """
    directory = _directory(known, cache)
    with locked(directory.with_name(f"{directory.name}.lock"), f"the packages of {known.name}", work, _LOCK_BOUND_S):
        if not _is_whole(known, cache, work):
            require_space(directory, NEEDED_MB)
            try:
                signer, paths = _obtain_packages(known, directory, source_dir, work)
            except OSError as error:
                raise BrokenEnvironment(f"the packages of {known.name} cannot be kept: {error}") from error
            _write_manifest(directory, signer, paths, work)
    return tuple(directory / one.file for one in packages(known, cache) or ())


def _is_whole(known: Known, cache: Path, work: Work) -> bool:
    """Return whether the cache has all packages of a known kernel, with the checksums of the verified ones."""
    cached = packages(known, cache)
    directory = _directory(known, cache)
    return cached is not None and all(
        download.sha256_of(directory / one.file, work.check) == one.sha256 for one in cached
    )


def _obtain_packages(known: Known, directory: Path, source_dir: Path | None, work: Work) -> tuple[str, Sequence[Path]]:
    """Return the signer and the verified packages."""
    if known.key is None:
        return suite.SIGNER, suite.obtain(known, directory, source_dir, work)
    by = _key(known, known.key, directory, source_dir, work)
    return by.fingerprint, [_package(known, path, by, directory, source_dir, work) for path in known.packages]


def _package(  # noqa: PLR0913, PLR0917  the package and its origin
    known: Known, path: str, by: PublicKey, directory: Path, source_dir: Path | None, work: Work
) -> Path:
    target = directory / PurePosixPath(path).name
    partial = target.with_name(f"{target.name}.part")
    # It may remain from an interrupted command, or be damaged since.
    if target.exists():
        with suppress(signature.RefusedError):
            signature.verify(target, by, work)
            return target
        target.unlink()
    if source_dir is not None:
        came_from = _copied(source_dir, target.name, partial)
    else:
        came_from = _downloaded(known, path, partial, work)
    try:
        with work.step(f"verifying the signature of {target.name}"):
            signature.verify(partial, by, work)
    except signature.RefusedError as error:
        download.discard(partial)
        kind = BadInput if source_dir is not None else BrokenEnvironment
        raise kind(
            f"{target.name} from {came_from} is rejected: {error}",
            hint="it was not kept; use another source: --from DIR, or LAB_VAULT",
        ) from error
    return partial.replace(target)


def _copied(source_dir: Path, name: str, partial: Path) -> str:
    source = source_dir / name
    if not source.is_file():
        raise BadInput(f"{source_dir} has no {name}", hint="all packages of the kernel must be in this directory")
    shutil.copyfile(source, partial)
    return str(source_dir)


def _downloaded(known: Known, path: str, partial: Path, work: Work) -> str:
    """Download a package from the first base that has it, and return that base's host."""
    refusals = []
    for base in bases(known):
        try:
            download.resume(f"{base}/{path}", partial, work, _MOST_BYTES)
        except download.FailedError as error:
            refusals.append(f"{web.host(base)}: {error}")
        else:
            return web.host(base)
    unchecked = "" if known.checked else " (this file name was never checked against the server)"
    raise BrokenEnvironment(
        f"{PurePosixPath(path).name} cannot be downloaded{unchecked}: {'; '.join(refusals)}",
        hint="try again; or set LAB_VAULT to another mirror; or give a directory with the packages: --from DIR",
    )


def _key(known: Known, wanted: Key, directory: Path, source_dir: Path | None, work: Work) -> PublicKey:
    """Return the signing key: from the cache, the directory or the web."""
    kept = directory.parent / "keys" / f"{wanted.fingerprint}.gpg"
    try:
        return signature.key(kept, wanted.fingerprint)
    except (OSError, signature.RefusedError):
        kept.unlink(missing_ok=True)
    public_key = _key_in(source_dir, wanted) if source_dir else None
    public_key = public_key or _key_downloaded(known, wanted, directory, work)
    write_whole(kept, public_key.content)
    return public_key


def _key_in(source_dir: Path, wanted: Key) -> PublicKey | None:
    """Return the key from its file in a directory; None when the directory has no such file."""
    for name in dict.fromkeys(PurePosixPath(file).name for file in wanted.files):
        path = source_dir / name
        if path.is_file():
            try:
                return signature.key(path, wanted.fingerprint)
            except signature.RefusedError as error:
                raise BadInput(f"the key file {path} is rejected: {error}") from error
    return None


def _key_downloaded(known: Known, wanted: Key, directory: Path, work: Work) -> PublicKey:
    refusals = []
    for address in _key_addresses(known, wanted):
        partial = directory / f"{PurePosixPath(address).name}.part"
        try:
            download.discard(partial)
            download.resume(address, partial, work, signature.MOST_KEY_BYTES)
            return signature.key(partial, wanted.fingerprint)
        except download.FailedError as error:
            refusals.append(f"{web.host(address)}: {error}")
        except signature.RefusedError as error:
            refusals.append(f"{web.host(address)}: rejected: {error}")
        finally:
            download.discard(partial)
    names = " or ".join(dict.fromkeys(PurePosixPath(file).name for file in wanted.files))
    raise BrokenEnvironment(
        f"the signing key of {known.name} cannot be obtained: {'; '.join(refusals)}",
        hint=f"set LAB_VAULT to another mirror, or put {names} into the directory of --from",
    )


def _key_addresses(known: Known, wanted: Key) -> list[str]:
    addresses: list[str] = []
    for file in wanted.files:
        addresses += [file] if web.is_address(file) else [f"{base}/{file}" for base in bases(known)]
    return addresses


def _write_manifest(directory: Path, signer: str, paths: Sequence[Path], work: Work) -> None:
    cached = tuple(
        Package(file=path.name, sha256=download.sha256_of(path, work.check), size_bytes=path.stat().st_size)
        for path in paths
    )
    write_whole(directory / _MANIFEST, _Manifest(packages=cached, signed_by=signer).model_dump_json(indent=1))


def _names(cached: Sequence[Package]) -> tuple[str, ...]:
    return tuple(one.file for one in cached)


def _directory(known: Known, cache: Path) -> Path:
    return cache / "packages" / known.store_name
