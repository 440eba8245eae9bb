"""A guest image as one file that goes from machine to machine without a network, and is verified where it arrives."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from lab.foundation import bounded, tar
from lab.foundation.digesting import Digesting, compressed, sha256_of
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.files import locked, whole_file
from lab.foundation.tar import TarReader, UnsafeArchiveError
from lab.foundation.work import Work
from lab.image import build
from lab.image.base import DISK_MB, DOWNLOAD_BOUND_S
from lab.image.build import Image
from lab.image.recipe import Recipe

SUFFIX = ".tar.zst"

DEFAULT_NAME = f"five-second-lab-image{SUFFIX}"

CONTENTS = "image.json"
"""The first file in the archive: what the others are."""

FORMAT = 1

LEVEL = 6
"""Of Zstandard: a third of the size, in seconds."""

MOST_BYTES = (DISK_MB + 256) * 1024 * 1024
"""What an image may have when it is unpacked: its disk, and kernels of some ten megabytes."""

MOST_KERNELS = 8

_SERIES = re.compile(r"\d{1,2}\.\d{1,3}", re.ASCII)
_RELEASE = re.compile(r"[0-9a-zA-Z.+~_-]{1,64}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)

_CHUNK = 1 << 20


class _PackedPart(BaseModel):
    """A file of an image, as the archive's contents describe it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    bytes: int
    sha256: str


class _ImageContents(BaseModel):
    """What an archive of an image says of itself."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    recipe: str
    kernels: dict[str, str]
    files: dict[str, _PackedPart]


@dataclass(frozen=True)
class PackedImage:
    """An image in one file.

    Attributes:
        sha256: The digest of the whole file.
        size_bytes: Its size.
    """

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class UnpackedImage:
    """An image that was taken out of a file.

    Attributes:
        image: The image.
        sha256: The digest of the whole file.
        is_new: Whether it was not there before.
    """

    image: Image
    sha256: str
    is_new: bool


def require_name(path: Path) -> None:
    """Check the name of an image's file before an image is made for it.

    Raises:
        BadInput: it does not say what the file is.
    """
    if not path.name.endswith(SUFFIX):
        raise BadInput(f"{path} is no name for an image's file", hint=f"end it with {SUFFIX}")


def pack(image: Image, path: Path, work: Work) -> PackedImage:
    """Write an image as one file; the same image gives the same file.

    Args:
        image: The image.
        path: Where it goes; it is there whole or not at all.
        work: Its cancellation ends the writing.

    Raises:
        BrokenEnvironment: it cannot be written.
        Cancelled: the work was cancelled; nothing incomplete is left.
    """
    names = _names(image.releases)
    sizes = {name: (image.path / name).stat().st_size for name in names}
    parts = {name: {"bytes": size, "sha256": sha256_of(image.path / name)} for name, size in sizes.items()}
    contents = {"format": FORMAT, "recipe": image.path.name, "kernels": image.releases, "files": parts}
    described = json.dumps(contents, indent=1, sort_keys=True).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            digesting = Digesting(file)
            with compressed(digesting, LEVEL, threads=-1) as archive:
                archive.write(tar.header(CONTENTS, len(described), 0) + described + tar.padding(len(described)))
                for name in names:
                    _add(archive, image.path / name, sizes[name], work)
                archive.write(tar.END)
    except OSError as error:
        raise BrokenEnvironment(f"{path} was not written: {error.strerror or error}") from error
    return PackedImage(digesting.sha256, digesting.size_bytes)


def _names(kernels: Iterable[str]) -> list[str]:
    """Return the names of an image's files, but for its manifest."""
    of_kernels = [name for series in kernels for name in (f"vmlinuz-{series}", f"initramfs-{series}")]
    return sorted(["disk.img", "initramfs", *of_kernels])


def _add(archive: tar.Writable, path: Path, size: int, work: Work) -> None:
    archive.write(tar.header(path.name, size, 0))
    with path.open("rb") as file:
        left = size
        while left:
            work.check()
            piece = min(left, _CHUNK)
            tar.copy(file, archive, piece)
            left -= piece
    archive.write(tar.padding(size))


def unpack(archive: Path, recipe: Recipe, cache: Path, sha256: str | None, work: Work) -> UnpackedImage:
    """Take an image out of a file that anyone may have made, and store it if it is the image of a recipe.

    Args:
        archive: The file.
        recipe: What the image must have been made of.
        cache: Where images are stored.
        sha256: The digest that the file must have; None where none was given.
        work: Its cancellation ends the reading.

    Raises:
        BadInput: it is no file of an image, of another image, or damaged.
        BrokenEnvironment: it cannot be stored.
        Cancelled: the work was cancelled; nothing incomplete is left.
    """
    if not archive.is_file():
        raise BadInput(f"there is no file {archive}")
    try:
        digest = _verified(archive, sha256)
        with bounded.opened(archive, MOST_BYTES) as source:
            reader = TarReader(source, DISK_MB * 1024 * 1024)
            return _store(reader, recipe, cache, digest, work)
    except UnsafeArchiveError as error:
        raise BadInput(f"{archive.name} cannot be imported: {error}", hint="nothing was stored") from error
    except OSError as error:
        raise BrokenEnvironment(f"{archive.name} was not imported: {error.strerror or error}") from error


def _verified(archive: Path, sha256: str | None) -> str:
    """Return a file's digest, if it is the one that it must have."""
    digest = sha256_of(archive)
    if sha256 is not None and sha256.strip().lower() != digest:
        raise UnsafeArchiveError(f"its SHA-256 is {digest}, not {sha256.strip().lower()}")
    return digest


def _store(reader: TarReader, recipe: Recipe, cache: Path, digest: str, work: Work) -> UnpackedImage:
    image = Image(build.path_of(recipe, cache))
    entries = iter(reader)
    first = next(entries, None)
    if first is None or first.name != CONTENTS or first.size is None or first.size > _CHUNK:
        raise UnsafeArchiveError(f"it does not begin with {CONTENTS}, so it is no guest image of the lab")
    contents = _checked(b"".join(reader.content()), recipe)
    with locked(cache / build.LOCK, build.LOCKED, work, bound_s=DOWNLOAD_BOUND_S):
        if build.is_built(image):
            return UnpackedImage(image, digest, is_new=False)
        with build.new_image(image, cache, build.STORED_MB) as scratch:
            missing = set(contents.files)
            for entry in entries:
                if entry.name not in missing or entry.size is None:
                    raise UnsafeArchiveError(f"{entry.name!r} is not expected there")
                missing.remove(entry.name)
                _take(reader, entry.size, contents.files[entry.name], scratch / entry.name, work)
            if missing:
                raise UnsafeArchiveError(f"it lacks {', '.join(sorted(missing))}")
            build.write_manifest(scratch, recipe, contents.kernels)
    return UnpackedImage(image, digest, is_new=True)


def _checked(described: bytes, recipe: Recipe) -> _ImageContents:
    """Return what an archive says of itself.

    Raises:
        UnsafeArchiveError: that is no image, or another one than a recipe's.
    """
    try:
        contents = _ImageContents.model_validate_json(described)
    except ValidationError as error:
        raise UnsafeArchiveError(f"its {CONTENTS} describes no guest image") from error
    plain = all(map(_SERIES.fullmatch, contents.kernels)) and all(map(_RELEASE.fullmatch, contents.kernels.values()))
    digests = all(_SHA256.fullmatch(part.sha256) for part in contents.files.values())
    whole = sorted(contents.files) == _names(contents.kernels)
    if contents.format != FORMAT or not (plain and digests and whole and 0 < len(contents.kernels) <= MOST_KERNELS):
        raise UnsafeArchiveError(f"its {CONTENTS} describes no guest image")
    if contents.recipe != recipe.digest:
        raise UnsafeArchiveError("it is the guest image of another version of the lab: both machines need the same one")
    return contents


def _take(reader: TarReader, size: int, part: _PackedPart, path: Path, work: Work) -> None:
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for piece in reader.content():
            work.check()
            digest.update(piece)
            _write_sparse(file, piece)
        file.truncate(size)
    if size != part.bytes or digest.hexdigest() != part.sha256:
        raise UnsafeArchiveError(f"{path.name!r} is not the file that its {CONTENTS} describes")


def _write_sparse(file: IO[bytes], piece: bytes) -> None:
    """Write bytes; zeros become a hole, as on the machine that built the image."""
    if any(piece):
        file.write(piece)
    else:
        file.seek(len(piece), 1)
