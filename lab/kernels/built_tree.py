"""Reads a kernel build tree: its image, its release and its modules."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.foundation.errors import BadInput
from lab.foundation.work import Work
from lab.kernels.header import plain

_IMAGE = "arch/x86/boot/bzImage"
_RELEASE = "include/config/kernel.release"
_LISTS = ("modules.order", "modules.builtin", "modules.builtin.modinfo")


def is_one(directory: Path) -> bool:
    """Return whether a directory is a kernel build tree, finished or not."""
    return (directory / _RELEASE).exists() or (directory / _IMAGE).exists()


def copy(directory: Path, tree: Path, work: Work) -> None:
    """Copy image and modules to the paths of an installed kernel.

    Raises:
        BadInput: the build is incomplete.
    """
    for needed in (_IMAGE, _RELEASE, "modules.order"):
        if not (directory / needed).is_file():
            raise BadInput(f"{directory}: the kernel is not built: there is no {needed}", hint="build it: make -j8")
    release = (directory / _RELEASE).read_text(errors="replace").strip()
    if not release or "/" in release:
        raise BadInput(f"{directory / _RELEASE}: it does not contain the kernel's release")
    modules = tree / "lib/modules" / release
    modules.mkdir(parents=True)
    (tree / "boot").mkdir(exist_ok=True)
    shutil.copyfile(directory / _IMAGE, tree / "boot" / f"vmlinuz-{release}")
    if (directory / ".config").is_file():
        shutil.copyfile(directory / ".config", tree / "boot" / f"config-{release}")
    for name in _LISTS:
        if (directory / name).is_file():
            shutil.copyfile(directory / name, modules / name)
    for module in _modules(directory):
        work.check()
        target = modules / "kernel" / module.relative_to(directory)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module, target)


def _modules(directory: Path) -> list[Path]:
    """Return the modules in `modules.order`: `kernel/fs/ext4/ext4.ko`, or since 6.2 `fs/ext4/ext4.o`."""
    modules = []
    for line in (directory / "modules.order").read_text(errors="replace").splitlines():
        name = Path(line.strip().removeprefix("kernel/"))
        module = directory / name.parent / f"{name.name.rsplit('.', 1)[0]}.ko"
        if ".." in name.parts or name.is_absolute() or not module.is_file():
            raise BadInput(f"{directory}: {line.strip()} of modules.order was not built", hint="build it: make modules")
        modules.append(module)
    # Two directories may have modules of one name; sort by name but keep both.
    return sorted(modules, key=lambda path: plain(path.name))
