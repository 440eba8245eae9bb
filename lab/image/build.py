"""Builds the guest image from Debian's packages: no mount, no device of the host, nothing half made is ever used."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.errors import BrokenEnvironment
from lab.files import locked, require_space, write_whole
from lab.image import initramfs
from lab.image.recipe import BOOT_MODULES, SUITE, Recipe, built_files, digest_of, source_files
from lab.work import Work

KEPT_IMAGES = 3
"""Images stay for so many checkouts in turn; each takes 800 MB. A guest that runs keeps its own open."""

KEPT_BASES = 1
"""Debian's tree as an archive, 700 MB: only needed when an image is built anew."""

DISK_MB = 2048
"""The disk a guest sees; its image file is sparse."""

NEEDED_MB = 3500
"""Free space a build needs: the packed tree, the unpacked tree and the disk."""

DOWNLOAD_BOUND_S = 1800.0
"""For Debian's packages over a slow line."""

STEP_BOUND_S = 600.0
"""For each of the other steps: seconds on an idle machine, minutes on a loaded one."""

# Documentation is a third of the tree and nobody reads it in a guest.
_LEAVE_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


@dataclass(frozen=True)
class Image:
    """A built guest image; nothing ever writes to it.

    Attributes:
        path: Its directory.
    """

    path: Path

    @property
    def disk(self) -> Path:
        """The root disk, raw ext4."""
        return self.path / "disk.img"

    def kernel(self, series: str) -> Path:
        """The kernel of a series such as "6.1"."""
        return self.path / f"vmlinuz-{series}"

    def initramfs(self, series: str) -> Path:
        """The initramfs of the kernel of a series."""
        return self.path / f"initramfs-{series}"

    @property
    def initramfs_base(self) -> Path:
        """What every initramfs has, without any kernel's modules."""
        return self.path / "initramfs"

    @property
    def releases(self) -> dict[str, str]:
        """The kernel release, as `uname -r` says it, of each series."""
        manifest = json.loads((self.path / "manifest.json").read_text())
        return dict(manifest["kernels"])


def path_of(recipe: Recipe, cache: Path) -> Path:
    """Where a recipe's image lies or would lie."""
    return cache / "images" / recipe.digest


def ensure(recipe: Recipe, cache: Path, work: Work) -> Image:
    """Give the image of a recipe, built when the cache does not have it.

    Raises:
        BrokenEnvironment: a program, space or a package is missing, or a build step failed; nothing half built stays.
        Cancelled: the work was cancelled; likewise.
    """
    image = Image(path_of(recipe, cache))
    if _is_built(image):
        image.path.touch()  # used last: see _remove_oldest
        return image
    with locked(cache / "images.lock", "the guest image", work, bound_s=DOWNLOAD_BOUND_S):
        if not _is_built(image):
            _remove_leftovers(cache)
            require_space(cache, NEEDED_MB)
            with _scratch(cache / "images") as scratch:
                _build(recipe, cache, scratch, work)
                scratch.rename(image.path)
            _remove_oldest(cache / "images", KEPT_IMAGES)
            _remove_oldest(cache / "bases", KEPT_BASES)
    return image


def _is_built(image: Image) -> bool:
    return (image.path / "manifest.json").exists()


def _build(recipe: Recipe, cache: Path, scratch: Path, work: Work) -> None:
    log = cache / "build.log"
    log.unlink(missing_ok=True)
    base = _ensure_base(recipe, cache, log, work)
    tree = scratch / "tree"
    with work.step("building the modules and the verdict program in the guest's own tree"):
        _install(recipe, base, scratch / "root.tar", log, work)
    with work.step("making the disk and the initramfs"):
        tree.mkdir()
        # Only root can give files away; fakeroot remembers who owns them for mke2fs.
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
    write_whole(scratch / "manifest.json", json.dumps({"kernels": kernels, "recipe": recipe.digest}, indent=1))


def _ensure_base(recipe: Recipe, cache: Path, log: Path, work: Work) -> Path:
    """Give Debian's own tree as an archive; kept apart, so that a change in the lab's sources downloads nothing."""
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
                env={"INITRD": "No"},  # the lab makes its own; see /etc/kernel/postinst.d/initramfs-tools
            )
            unfinished.rename(base)
    return base


def _install(recipe: Recipe, base: Path, target: Path, log: Path, work: Work) -> None:
    """Put the lab's files into Debian's tree and build its programs there, with its own compiler and headers."""
    stage = target.with_suffix(".stage")
    lab = stage / "opt/lab"
    for path in source_files(recipe.provision):
        target_path = lab / path.relative_to(recipe.provision)
        target_path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target_path)
    (lab / "digest").write_text(digest_of(recipe.provision, source_files(recipe.provision)) + "\n")
    (lab / "build").mkdir()
    (lab / "build" / "digest").write_text(digest_of(recipe.provision, built_files(recipe.provision)) + "\n")
    shutil.copytree(recipe.provision / "image/rootfs", stage, dirs_exist_ok=True)
    # With the kernel's own extra warnings, all of them errors; older kernels' headers would not bear that.
    build_all = "cd /usr/lib/modules && MAKEFLAGS=W=1 exec /opt/lab/guest/build.sh *"
    process.run(
        [
            process.require("mmdebstrap", "mmdebstrap"),
            "--variant=custom",
            "--skip=update,output/dev",
            f"--setup-hook=tar-in {base} /",
            '--setup-hook=mkdir -p "$1/dev"',  # where the builder shows its own devices while it works
            f"--customize-hook=sync-in {stage} /",
            '--customize-hook=ln -sf /bin/busybox "$1/sbin/init"',
            f"--customize-hook=chroot \"$1\" sh -eu -c '{build_all}'",
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
    """Remove what a build left that was killed: its directory, never one of a finished image."""
    for path in (cache / "images").glob("unfinished-*"):
        shutil.rmtree(path, ignore_errors=True)


def _remove_oldest(directory: Path, kept: int) -> None:
    """Remove all but those used last."""
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
