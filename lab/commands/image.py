"""`lab image`: the guest image, built, and handed round as one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.foundation.home import PROVISION
from lab.foundation.result import Result
from lab.image import build, stick
from lab.image.recipe import Recipe
from lab.session.session import Session


@dataclass(frozen=True)
class ImageBuilt:
    """A guest image on disk.

    Attributes:
        path: Its directory.
        recipe: The digest of what it was made of.
        kernels: The release of the kernel of each series.
    """

    path: Path
    recipe: str
    kernels: dict[str, str]


@dataclass(frozen=True)
class ImageExported:
    """A guest image in one file.

    Attributes:
        path: The file.
        recipe: The digest of what the image was made of.
        packed: The file's size and digest.
    """

    path: Path
    recipe: str
    packed: stick.PackedImage


@dataclass(frozen=True)
class ImageImported:
    """A guest image that came in one file.

    Attributes:
        path: Its directory.
        recipe: The digest of what it was made of.
        sha256: The digest of the file.
        is_new: Whether it was not there before.
    """

    path: Path
    recipe: str
    sha256: str
    is_new: bool


def make(session: Session) -> Result[ImageBuilt]:
    """Build the guest image; does nothing when it exists.

    Raises:
        BrokenEnvironment: a program, disk space or a package is missing, or a step failed.
    """
    image = _ensured(session)
    return Result(ImageBuilt(image.path, image.path.name, image.releases))


def export(session: Session, file: Path) -> Result[ImageExported]:
    """Write the guest image as one file, and build it first where it does not exist.

    Args:
        session: The lab in use.
        file: Where it goes.

    Raises:
        BadInput: the file's name does not say what it is.
        BrokenEnvironment: it cannot be built or written.
    """
    stick.require_name(file)
    image = _ensured(session)
    with session.work.step(f"writing {file.name}"):
        packed = stick.pack(image, file, session.work)
    return Result(ImageExported(file, image.path.name, packed))


def import_(session: Session, file: Path, sha256: str | None) -> Result[ImageImported]:
    """Store a guest image that came in one file; one that is there already stays as it is.

    Args:
        session: The lab in use.
        file: The file.
        sha256: The digest that it must have; None where none was given.

    Raises:
        BadInput: it is no guest image of this version of the lab, or it is damaged.
        BrokenEnvironment: it cannot be stored.
    """
    recipe = Recipe.from_environment(PROVISION)
    with session.work.step(f"reading {file.name}"):
        unpacked = stick.unpack(file, recipe, session.home.cache, sha256, session.work)
    image = unpacked.image
    return Result(ImageImported(image.path, image.path.name, unpacked.sha256, unpacked.is_new))


def _ensured(session: Session) -> build.Image:
    return build.ensure(Recipe.from_environment(PROVISION), session.home.cache, session.work)
