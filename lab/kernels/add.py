"""Adds a kernel: takes it out of what was given, and makes it bootable on the lab's own guest image."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from lab import process
from lab.catalogue.machine import NAME
from lab.errors import BadInput
from lab.files import require_space
from lab.image import initramfs
from lab.kernels import header, layout, source
from lab.kernels.layout import Found
from lab.kernels.modules import BOOT, Modules
from lab.kernels.source import Given, Source
from lab.kernels.store import BOOT_MODULES, DISK, IMAGE, Kernel, KernelStore
from lab.work import Work

NEEDED_FOR_TRIALS = ("nf_conntrack", "nfnetlink_queue", "veth")
"""Modules without which there is nothing to be seen: net/netfilter/Kconfig, drivers/net/Kconfig."""

_Choices = tuple[tuple[str, tuple[str, ...]], ...]
"""Kinds of a device, each with the drivers that it takes."""

_DISKS: _Choices = (("virtio", ("virtio_pci", "virtio_blk")), ("ahci", ("ahci", "sd_mod")))
_NETWORKS: _Choices = (("virtio", ("virtio_pci", "virtio_net")), ("e1000", ("e1000",)))

_NAME = re.compile(NAME)

_LISTS = ("modules.builtin", "modules.builtin.modinfo", "modules.order")
"""What depmod(8) reads beside the modules."""

NEEDED_MB = 2500
"""For a generic kernel, unpacked, and headers."""

_BOUND_S = 300.0
"""For each program: seconds on an idle machine."""


def add(store: KernelStore, given: Given, name: str | None, taken: Sequence[str], work: Work) -> tuple[Kernel, bool]:
    """Add a kernel; one that is there already, from the same packages, stays as it is.

    Args:
        store: Where to.
        given: Where from.
        name: What it shall be called; None for a name made of its release.
        taken: The names of machines.
        work: Told of each step.

    Returns:
        The kernel, and whether it is new.

    Raises:
        BadInput: what was given is no kernel that can be booted, or its name is taken.
        BrokenEnvironment: a program or space is missing, or an address cannot be reached.
        Cancelled: the work was cancelled. In each case nothing of it stays.
    """
    if name is not None and name in taken:
        raise BadInput(f"a machine is called '{name}'; give the kernel another name: --name")
    if name is not None and not _NAME.fullmatch(name):
        raise BadInput(f"'{name}' is no name for a machine: up to 31 of a-z, 0-9 and -, a letter first")
    with store.adding(work) as scratch:
        require_space(scratch, NEEDED_MB)
        tree, files = scratch / "tree", scratch / "files"
        tree.mkdir()
        files.mkdir()
        sources = source.gather(given, tree, work)
        found = layout.find(tree)
        name = name or default_name(found.release)
        if name in store.names():
            return _same(store.get(name), sources), False
        _require_bootable(found)
        with work.step("making its initramfs and its disk"):
            count = _make_files(found, tree, files, work)
        kernel = _described(name, found, sources, count)
        store.put(kernel, files)
        return kernel, True


def default_name(release: str) -> str:
    """Make a name of a kernel's release: a machine's, which is a host's as well."""
    short = re.sub(r"[._-](amd64|x86_64)$", "", release.lower())
    return re.sub(r"[^a-z0-9]+", "-", f"linux-{short}")[:31].strip("-")


def _same(there: Kernel, sources: Sequence[Source]) -> Kernel:
    sums = [{one.sha256 for one in these} for these in (there.sources, sources)]
    if sums[0] == sums[1] and None not in sums[0]:
        return there
    raise BadInput(
        f"a kernel is called '{there.name}' already: {there.release}, from {there.sources[0].given}",
        hint=f"give another name (--name), or remove that one first: lab kernel remove {there.name}",
    )


def _require_bootable(found: Found) -> None:
    """Refuse at once what could only fail in a guest, as far as the kernel's own lists tell."""
    modules = found.modules
    if not modules.has("ext4"):
        raise BadInput(f"kernel {found.release} has no ext4, which the guest image's disk needs")
    for what, choices in (("disk", _DISKS), ("network card", _NETWORKS)):
        if _driven(modules, choices) is None:
            needs = " or ".join(" with ".join(names) for _, names in choices)
            raise BadInput(
                f"kernel {found.release} has no driver for the guest's {what}: it takes {needs}",
                hint="a package of its modules may be missing (kernel-modules, kernel-modules-core)",
            )


def _driven(modules: Modules, choices: _Choices) -> str | None:
    """Give the first kind of device that a kernel has all drivers for; None for none."""
    return next((kind for kind, names in choices if all(modules.has(name) for name in names)), None)


def _make_files(found: Found, tree: Path, files: Path, work: Work) -> int:
    """Make what the kernel is booted from, and give how many modules the guest has of it."""
    log = files / "making.log"
    shutil.copyfile(found.image, files / IMAGE)
    root = files / "root"
    modules = root / "lib/modules" / found.release
    count = _put_modules(found.modules, modules, work)
    _strip(modules, log, work)
    depmod = process.require("depmod", "kmod")
    process.run([depmod, "-b", root, found.release], work=work, log=log, bound_s=_BOUND_S)
    _put_headers(found, tree, root)
    _make_boot_modules(found, modules, files, log, work)
    # As old as ext4 gets, and without a journal: it is only ever read.
    make = [process.require("mke2fs", "e2fsprogs"), "-q", "-F", "-t", "ext4", "-m", "0", "-E", "root_owner=0:0"]
    make += ["-O", "^has_journal,^metadata_csum,^64bit,^resize_inode"]
    process.run([*make, "-d", root, files / DISK, f"{_disk_mb(root)}M"], work=work, log=log, bound_s=_BOUND_S)
    shutil.rmtree(root)
    log.unlink()
    return count


def _put_modules(modules: Modules, target: Path, work: Work) -> int:
    """Put the modules that the guest may ask for, uncompressed, where a kernel has them."""
    target.mkdir(parents=True)
    wanted = modules.for_the_guest()
    for path in wanted:
        work.check()
        relative = path.relative_to(modules.directory)
        where = target / relative.with_name(relative.name.split(".ko")[0] + ".ko")
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(initramfs.unpacked(path))
    for name in _LISTS:
        if (modules.directory / name).is_file():
            shutil.copyfile(modules.directory / name, target / name)
    return len(wanted)


def _strip(modules: Path, log: Path, work: Work) -> None:
    """Leave debug information out, which a kernel that somebody built has: it is most of a module."""
    heavy = [path for path in sorted(modules.rglob("*.ko")) if header.has_debug_information(path.read_bytes())]
    if heavy:
        strip = process.require("strip", "binutils")
        process.run([strip, "--strip-debug", *heavy], work=work, log=log, bound_s=_BOUND_S)


def _put_headers(found: Found, tree: Path, root: Path) -> None:
    if found.headers is None:
        return
    for name in ("usr/src", "usr/lib"):
        for path in sorted((tree / name).glob("*")):
            if path.name == "modules":
                continue
            (root / name).mkdir(parents=True, exist_ok=True)
            path.rename(root / name / path.name)
    link = root / "lib/modules" / found.release / "build"
    link.symlink_to("/" / found.headers.relative_to(tree))


def _make_boot_modules(found: Found, modules: Path, files: Path, log: Path, work: Work) -> None:
    tree = files / "initramfs"
    tree.mkdir()
    (tree / "kernel-release").write_text(found.release + "\n")
    initramfs.put_modules(tree, Modules(modules).with_needed(BOOT))
    initramfs.pack(tree, files / BOOT_MODULES, work=work, log=log)
    shutil.rmtree(tree)


def _disk_mb(root: Path) -> int:
    """Give a size that holds a tree: its files by blocks of 4 KiB and inodes of 256 bytes, and room for the rest."""
    paths = list(root.rglob("*"))
    blocks = sum(-(-path.lstat().st_size // 4096) + 1 for path in paths)
    return 8 + (blocks * 4096 + len(paths) * 256) * 11 // 10 // 2**20


def _described(name: str, found: Found, sources: Sequence[Source], count: int) -> Kernel:
    modules = found.modules
    return Kernel.model_validate(
        {
            "name": name,
            "release": found.release,
            "sources": tuple(sources),
            "added": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "modules": count,
            "headers": found.headers is not None,
            "lacks": tuple(needed for needed in NEEDED_FOR_TRIALS if not modules.has(needed)),
            "disk": _driven(modules, _DISKS),
            "network": _driven(modules, _NETWORKS),
        }
    )
