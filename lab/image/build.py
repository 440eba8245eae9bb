"""Builds the guest image from Debian packages: without mounts and host devices; never uses an incomplete image."""

from __future__ import annotations

import json
import platform
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.files import locked, remove_oldest, require_space, write_whole
from lab.foundation.work import Work
from lab.image import base, disk, initramfs, parts
from lab.image.base import DOWNLOAD_BOUND_S, STEP_BOUND_S
from lab.image.recipe import Recipe, built_files, digest_of, source_files

MANIFEST = "manifest.json"
"""In an image's directory; written last."""

LOCK, LOCKED = "images.lock", "the guest image"
"""The lock that guards the images, and what it is called."""

KEPT_IMAGES = 3
"""Images kept, for several checkouts; each takes 800 MB. A running guest keeps its image open."""

KEPT_BASES = 1
"""Debian trees kept, 1.2 GB each: needed only to rebuild an image."""

NEEDED_MB = 3500
"""Disk space for a build: the packed tree, the unpacked tree, its disk and its archive, or the disk of a guest."""

STORED_MB = 1000
"""Disk space for an image that comes in one file: what is written of the disk, and the kernels."""


@dataclass(frozen=True)
class Image:
    """A built guest image, read only.

    Attributes:
        path: Its directory.
    """

    path: Path

    @property
    def disk(self) -> Path:
        """The root disk, raw ext4."""
        return self.path / "disk.img"

    def kernel(self, series: str) -> Path:
        """Return the kernel of a series such as "6.1"."""
        return self.path / f"vmlinuz-{series}"

    def initramfs(self, series: str) -> Path:
        """Return the initramfs of the kernel of a series."""
        return self.path / f"initramfs-{series}"

    @property
    def initramfs_base(self) -> Path:
        """The initramfs without any kernel's modules."""
        return self.path / "initramfs"

    @property
    def releases(self) -> dict[str, str]:
        """The kernel release of each series, as printed by `uname -r`."""
        manifest = json.loads((self.path / MANIFEST).read_text())
        return dict(manifest["kernels"])


def path_of(recipe: Recipe, cache: Path) -> Path:
    """Return the path of a recipe's image, which need not exist."""
    return cache / "images" / recipe.digest


def ensure(recipe: Recipe, cache: Path, work: Work) -> Image:
    """Return the image of a recipe, building it if the cache does not have it.

    Raises:
        BrokenEnvironment: a program, disk space or a package is missing, or a step failed; nothing incomplete is left.
        Cancelled: the work was cancelled; nothing incomplete is left.
    """
    image = Image(path_of(recipe, cache))
    if is_built(image):
        image.path.touch()  # marks it as used: see _remove_oldest
        return image
    with locked(cache / LOCK, LOCKED, work, bound_s=DOWNLOAD_BOUND_S):
        if not is_built(image):
            _require_processor()
            with new_image(image, cache) as scratch:
                _build(recipe, cache, scratch, work)
            remove_oldest(cache / "bases", KEPT_BASES)
    return image


@contextmanager
def new_image(image: Image, cache: Path, needed_mb: int = NEEDED_MB) -> Iterator[Path]:
    """Yield a directory to put an image together in, which takes its place at the end; to be used under LOCK.

    Args:
        image: The image.
        cache: Where images are stored.
        needed_mb: Disk space that this takes.

    Raises:
        BrokenEnvironment: there is no space, or it could not be written; nothing incomplete is left.
    """
    _remove_leftovers(cache)
    require_space(cache, needed_mb)
    with _scratch(cache / "images") as scratch:
        yield scratch
        scratch.rename(image.path)
    remove_oldest(cache / "images", KEPT_IMAGES)


def write_manifest(directory: Path, recipe: Recipe, kernels: Mapping[str, str]) -> None:
    """Write what marks an image as whole: its recipe, and the release of each series of kernels."""
    write_whole(directory / MANIFEST, json.dumps({"kernels": dict(kernels), "recipe": recipe.digest}, indent=1))


def is_built(image: Image) -> bool:
    """Return whether an image is there, whole."""
    return (image.path / MANIFEST).exists()


def _require_processor() -> None:
    """Check that this host runs the programs of the guest's tree, which builds its modules."""
    kind = platform.machine()
    if kind != "x86_64":
        raise BrokenEnvironment(
            f"the guest image is one for x86_64, and is not built on {kind}",
            hint="on an x86_64 machine: lab image export; here: lab image import; or use the container",
        )


def _build(recipe: Recipe, cache: Path, scratch: Path, work: Work) -> None:
    log = cache / "build.log"
    log.unlink(missing_ok=True)
    image, stage = Image(scratch), scratch / "stage"
    found = base.ensure(recipe, cache / "bases", log, work)
    _lay_out(recipe, stage)
    for part in parts.ensure(recipe, found, stage, log, work):
        shutil.copytree(part, stage, dirs_exist_ok=True)
    with work.step("creating the disk and the initramfs"):
        process.run(
            ["cp", "--sparse=always", "--reflink=auto", found.disk, image.disk],
            work=work,
            log=log,
            bound_s=STEP_BOUND_S,
        )
        disk.add(image.disk, stage, work, log)
        kernels = {_series(release): release for release in found.releases}
        modules_of: dict[Path, list[Path]] = {image.initramfs_base: []}
        for series, release in kernels.items():
            shutil.copy(found.kernel(release), image.kernel(series))
            modules_of[image.initramfs(series)] = found.boot_modules(release)
        for target, modules in modules_of.items():
            initramfs.build(
                target,
                modules=modules,
                busybox=found.busybox,
                init=recipe.provision / "image" / "initramfs-init",
                work=work,
                log=log,
            )
        shutil.rmtree(stage)
    write_manifest(scratch, recipe, kernels)


def _copy(source: Path, target: Path) -> None:
    """Copy a file of the lab with the mode that it has in a checkout, whatever an installer made of that."""
    shutil.copyfile(source, target)
    target.chmod(0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644)


def _copy_tree(source: Path, target: Path) -> None:
    """Copy what is in a directory into another one, as `_copy` does."""
    for path in (source, *sorted(source.rglob("*"))):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(0o755)
        else:
            _copy(path, place)


def _lay_out(recipe: Recipe, stage: Path) -> None:
    """Put the lab's own files in the places that they have in a guest."""
    lab = stage / "opt/lab"
    for path in source_files(recipe.provision):
        target_path = lab / path.relative_to(recipe.provision)
        target_path.parent.mkdir(parents=True, exist_ok=True)
        _copy(path, target_path)
    (lab / "digest").write_text(digest_of(recipe.provision, source_files(recipe.provision)) + "\n")
    (lab / "build").mkdir()
    (lab / "build" / "digest").write_text(digest_of(recipe.provision, built_files(recipe.provision)) + "\n")
    for directory, place in (("rootfs", stage), ("login", stage / "usr/src/lab-login")):
        _copy_tree(recipe.provision / "image" / directory, place)
    (stage / "usr/sbin/init").symlink_to("/bin/busybox")


def _series(release: str) -> str:
    return ".".join(release.split(".")[:2])


def _remove_leftovers(cache: Path) -> None:
    """Remove incomplete builds that were killed, never a finished image."""
    for path in (cache / "images").glob("unfinished-*"):
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="unfinished-", dir=parent))
    scratch.chmod(0o755)
    try:
        yield scratch
    except OSError as error:
        raise BrokenEnvironment(f"the guest image could not be built: {error}") from error
    finally:
        if scratch.exists():
            shutil.rmtree(scratch, ignore_errors=True)
