"""A tree in which somebody built a kernel: where its image, its release and its modules are."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.errors import BadInput
from lab.kernels.header import plain
from lab.work import Work

_IMAGE = "arch/x86/boot/bzImage"
_RELEASE = "include/config/kernel.release"
_LISTS = ("modules.order", "modules.builtin", "modules.builtin.modinfo")


def is_one(directory: Path) -> bool:
    """Tell whether a kernel was built, or was to be built, in a directory."""
    return (directory / _RELEASE).exists() or (directory / _IMAGE).exists()


def copy(directory: Path, tree: Path, work: Work) -> None:
    """Put image and modules where an installed kernel has them.

    Raises:
        BadInput: the kernel was not built to its end.
    """
    for needed in (_IMAGE, _RELEASE, "modules.order"):
        if not (directory / needed).is_file():
            raise BadInput(f"{directory}: no kernel was built here: there is no {needed}", hint="make it: make -j8")
    release = (directory / _RELEASE).read_text(errors="replace").strip()
    if not release or "/" in release:
        raise BadInput(f"{directory / _RELEASE}: it does not tell the kernel's release")
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
    """Give the modules of `modules.order`: `kernel/fs/ext4/ext4.ko`, or from 6.2 on `fs/ext4/ext4.o`."""
    found = []
    for line in (directory / "modules.order").read_text(errors="replace").splitlines():
        name = Path(line.strip().removeprefix("kernel/"))
        module = directory / name.parent / f"{name.name.rsplit('.', 1)[0]}.ko"
        if ".." in name.parts or name.is_absolute() or not module.is_file():
            raise BadInput(f"{directory}: {line.strip()} of modules.order was not built", hint="make it: make modules")
        found.append(module)
    # Two directories may have modules of one name; their paths keep them apart.
    return sorted(found, key=lambda path: plain(path.name))
