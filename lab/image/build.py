"""Builds the guest image from Debian packages: without mounts and host devices; never uses an incomplete image."""

from __future__ import annotations

import json
import os
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
from lab.foundation.files import locked, require_space, write_whole
from lab.foundation.work import Work
from lab.image import apt, initramfs
from lab.image.recipe import BOOT_MODULES, SUITE, Recipe, built_files, digest_of, source_files

MANIFEST = "manifest.json"
"""In an image's directory; written last."""

LOCK, LOCKED = "images.lock", "the guest image"
"""The lock that guards the images, and what it is called."""

KEPT_IMAGES = 3
"""Images kept, for several checkouts; each takes 800 MB. A running guest keeps its image open."""

KEPT_BASES = 1
"""Debian trees kept, 700 MB each: needed only to rebuild an image."""

DISK_MB = 2048
"""Disk size of a guest; its image file is sparse."""

NEEDED_MB = 3500
"""Disk space for a build: the packed tree, the unpacked tree and the disk."""

STORED_MB = 1000
"""Disk space for an image that comes in one file: what is written of the disk, and the kernels."""

DOWNLOAD_BOUND_S = 1800.0
"""Timeout for downloading Debian's packages over a slow line."""

STEP_BOUND_S = 600.0
"""Timeout of each other step: seconds on an idle machine, minutes on a loaded one."""

# Documentation is a third of the tree and not needed in a guest.
_LEAVE_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


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
            _remove_oldest(cache / "bases", KEPT_BASES)
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
    _remove_oldest(cache / "images", KEPT_IMAGES)


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
    base = _ensure_base(recipe, cache, log, work)
    tree = scratch / "tree"
    with work.step("building the modules and the verdict program in the guest's tree"):
        _install(recipe, base, scratch / "root.tar", log, work)
    with work.step("creating the disk and the initramfs"):
        tree.mkdir()
        # Only root can change owners; fakeroot records them for mke2fs.
        faked = [] if os.geteuid() == 0 else [process.require("fakeroot", "fakeroot"), "--"]
        unpack_and_make = (
            f"tar -xf root.tar -C tree && mke2fs -q -F -t ext4 -J size=8 -L lab -d tree disk.img {DISK_MB}M"
        )
        process.require("mke2fs", "e2fsprogs")
        process.run(
            [*faked, "sh", "-eu", "-c", unpack_and_make],
            work=work,
            log=log,
            bound_s=STEP_BOUND_S,
            cwd=scratch,
            env={"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"},
        )
        kernels = {_series(release): release for release in _releases(tree)}
        built = Image(scratch)
        modules_of: dict[Path, Path | None] = {built.initramfs_base: None}
        for series, release in kernels.items():
            shutil.copy(tree / "boot" / f"vmlinuz-{release}", built.kernel(series))
            modules_of[built.initramfs(series)] = tree / "usr/lib/modules" / release
        for target, modules in modules_of.items():
            initramfs.build(
                target,
                modules=initramfs.load_order(modules, BOOT_MODULES) if modules else (),
                busybox=tree / "bin" / "busybox",
                init=recipe.provision / "image" / "initramfs-init",
                work=work,
                log=log,
            )
        shutil.rmtree(tree)
        (scratch / "root.tar").unlink()
    write_manifest(scratch, recipe, kernels)


def _ensure_base(recipe: Recipe, cache: Path, log: Path, work: Work) -> Path:
    """Return the Debian tree as an archive; kept apart, so that changes in the lab's sources download nothing."""
    base = cache / "bases" / f"{recipe.base_digest}.tar"
    if base.exists():
        base.touch()
    if not base.exists():
        with work.step(f"building a Debian {SUITE} tree from {len(recipe.packages)} packages"):
            unfinished = base.with_suffix(".unfinished.tar")
            unfinished.parent.mkdir(parents=True, exist_ok=True)
            leave_out = [f"--dpkgopt=path-exclude={path}" for path in _LEAVE_OUT]
            mirror = [recipe.mirror] if recipe.mirror else []
            process.run(
                [
                    process.require("mmdebstrap", "mmdebstrap"),
                    "--variant=minbase",
                    "--skip=output/dev",  # an ordinary user cannot put devices back
                    f"--include={','.join(recipe.packages)}",
                    *leave_out,
                    SUITE,
                    unfinished,
                    *mirror,
                ],
                work=work,
                log=log,
                bound_s=DOWNLOAD_BOUND_S,
                # The lab builds its own initramfs; see /etc/kernel/postinst.d/initramfs-tools.
                env={"INITRD": "No", **apt.proxies()},
            )
            unfinished.rename(base)
    return base


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


def _install(recipe: Recipe, base: Path, target: Path, log: Path, work: Work) -> None:
    """Copy the lab's files into the Debian tree and build its programs there, with the tree's compiler and headers."""
    stage = target.with_suffix(".stage")
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
    build_all = "cd /usr/lib/modules && exec /opt/lab/guest/build.sh *"
    process.run(
        [
            process.require("mmdebstrap", "mmdebstrap"),
            "--variant=custom",
            "--skip=update,output/dev",
            f"--setup-hook=tar-in {base} /",
            '--setup-hook=mkdir -p "$1/dev"',  # where mmdebstrap mounts devices while it runs
            f"--customize-hook=sync-in {stage} /",
            '--customize-hook=ln -sf /bin/busybox "$1/sbin/init"',
            f"--customize-hook=chroot \"$1\" sh -eu -c '{build_all}'",
            '--customize-hook=chroot "$1" make -s -C /usr/src/lab-login install',
            '--customize-hook=rm -f "$1/etc/ssh/"ssh_host_*',
            "",
            target,
        ],
        work=work,
        log=log,
        bound_s=STEP_BOUND_S,
    )
    shutil.rmtree(stage)


def _releases(tree: Path) -> list[str]:
    return sorted(path.name for path in (tree / "usr/lib/modules").iterdir())


def _series(release: str) -> str:
    return ".".join(release.split(".")[:2])


def _remove_leftovers(cache: Path) -> None:
    """Remove incomplete builds that were killed, never a finished image."""
    for path in (cache / "images").glob("unfinished-*"):
        shutil.rmtree(path, ignore_errors=True)


def _remove_oldest(directory: Path, kept: int) -> None:
    """Remove all but the most recently used entries."""
    newest_first = sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest_first[kept:]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


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
