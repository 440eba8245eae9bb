"""Makes the Debian tree that guest images are built from: once for all images of the same packages."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lab.foundation import process
from lab.foundation.files import whole_directory
from lab.foundation.work import Work
from lab.image import apt, initramfs
from lab.image.memory import in_memory
from lab.image.recipe import BOOT_MODULES, SUITE, Recipe

DISK_MB = 2048
"""Disk size of a guest; its image file is sparse."""

DOWNLOAD_BOUND_S = 1800.0
"""Timeout for downloading Debian's packages over a slow line."""

STEP_BOUND_S = 600.0
"""Timeout of each other step: seconds on an idle machine, minutes on a loaded one."""

# Documentation is a third of the tree and not needed in a guest.
_LEAVE_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

_MAKE = f"""
tar -xf tree.tar -C tree
rm -f tree/etc/ssh/ssh_host_*
mkdir -p tree/dev
mke2fs -q -F -t ext4 -J size=8 -L lab -d tree disk.img {DISK_MB}M
tar --create --file=tools.tar --directory=tree --exclude='./usr/lib/modules/*/kernel' --exclude='./boot/*' .
cp tree/bin/busybox busybox
for modules in tree/usr/lib/modules/*; do
	release=${{modules##*/}}
	mkdir -p "kernels/$release"
	cp "tree/boot/vmlinuz-$release" "kernels/$release/vmlinuz"
	cp "$modules/modules.dep" "kernels/$release/"
done
"""
"""Makes the parts of a base from `tree.tar`, but for the modules that boot."""


@dataclass(frozen=True)
class Base:
    """A Debian tree, without the lab's files.

    Attributes:
        path: Its directory.
    """

    path: Path

    @property
    def disk(self) -> Path:
        """The tree as a root disk, raw ext4."""
        return self.path / "disk.img"

    @property
    def tools(self) -> Path:
        """The tree as an archive, without the kernels and their modules: what builds the lab's programs."""
        return self.path / "tools.tar"

    @property
    def busybox(self) -> Path:
        """The tree's busybox."""
        return self.path / "busybox"

    @property
    def releases(self) -> tuple[str, ...]:
        """The kernel releases, as printed by `uname -r`."""
        return tuple(sorted(path.name for path in (self.path / "kernels").iterdir()))

    def kernel(self, release: str) -> Path:
        """Return the kernel of a release."""
        return self.path / "kernels" / release / "vmlinuz"

    def boot_modules(self, release: str) -> list[Path]:
        """Return the modules that the initramfs of a release loads, in order."""
        directory = self.path / "kernels" / release
        return [directory / path.name for path in initramfs.load_order(directory, BOOT_MODULES)]


def ensure(recipe: Recipe, directory: Path, log: Path, work: Work) -> Base:
    """Return the tree of a recipe, making it if it is not there.

    Args:
        recipe: The image's inputs.
        directory: Where trees are kept.
        log: File for the programs' output.
        work: Reports the steps.

    Raises:
        BrokenEnvironment: a program or a package is missing, or a step failed; nothing incomplete is left.
        Cancelled: the work was cancelled; nothing incomplete is left.
    """
    base = Base(directory / f"{recipe.base_digest}-{DISK_MB}")
    if base.path.exists():
        base.path.touch()  # marks it as used
        return base
    with whole_directory(base.path) as unfinished:
        with work.step(f"building a Debian {SUITE} tree from {len(recipe.packages)} packages"):
            _obtain(recipe, unfinished / "tree.tar", log, work)
        with work.step("creating the disk of the Debian tree"):
            _make(unfinished, log, work)
    return base


def _obtain(recipe: Recipe, archive: Path, log: Path, work: Work) -> None:
    leave_out = [f"--dpkgopt=path-exclude={path}" for path in _LEAVE_OUT]
    with in_memory(archive.parent / "mmdebstrap") as memory:
        process.run(
            [
                *memory.prefix,
                process.require("mmdebstrap", "mmdebstrap"),
                "--variant=minbase",
                "--skip=output/dev",  # an ordinary user cannot put devices back
                f"--include={','.join(recipe.packages)}",
                *leave_out,
                SUITE,
                archive,
                *([recipe.mirror] if recipe.mirror else []),
            ],
            work=work,
            log=log,
            bound_s=DOWNLOAD_BOUND_S,
            # The lab builds its own initramfs; see /etc/kernel/postinst.d/initramfs-tools.
            env={"INITRD": "No", **apt.proxies(), **memory.temporary},
        )


def _make(directory: Path, log: Path, work: Work) -> None:
    """Make a base from `tree.tar`."""
    # Only root can change owners; fakeroot records them for mke2fs and tar.
    faked = [] if os.geteuid() == 0 else [process.require("fakeroot", "fakeroot"), "--"]
    process.require("mke2fs", "e2fsprogs")
    with in_memory(directory / "tree") as memory:
        process.run(
            [*memory.prefix, *faked, "sh", "-eu", "-c", _MAKE],
            work=work,
            log=log,
            bound_s=STEP_BOUND_S,
            cwd=directory,
            env={"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"},
        )
    for modules in (directory / "kernels").iterdir():
        names = [
            f"./usr/lib/modules/{modules.name}/{path.relative_to(modules)}"
            for path in initramfs.load_order(modules, BOOT_MODULES)
        ]
        unpack = ["tar", "-xf", "tree.tar", "-C", str(modules), "--transform=s,.*/,,", *names]
        process.run(unpack, work=work, log=log, bound_s=STEP_BOUND_S, cwd=directory)
    (directory / "tree.tar").unlink()
