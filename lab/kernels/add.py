"""Adds a kernel: extracts it from packages or a directory and makes it bootable on the lab's guest image."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.catalogue.machine import NAME
from lab.foundation import process
from lab.foundation.errors import BadInput
from lab.foundation.files import require_space
from lab.foundation.work import Work
from lab.image import initramfs
from lab.kernels import header, layout, needed, source
from lab.kernels.layout import Found
from lab.kernels.modules import BOOT, Modules
from lab.kernels.source import Gathered, Given, KernelSource
from lab.kernels.store import BOOT_MODULES, DISK, IMAGE, Kernel, KernelStore

NEEDED_FOR_TRIALS = ("nf_conntrack", "nfnetlink_queue", "veth")
"""Modules without which a trial cannot run: net/netfilter/Kconfig, drivers/net/Kconfig."""

_Choices = tuple[tuple[str, tuple[str, ...]], ...]
"""Variants of a device, each with the drivers it needs."""

_DISKS: _Choices = (("virtio", ("virtio_pci", "virtio_blk")), ("ahci", ("ahci", "sd_mod")))
_NETWORKS: _Choices = (("virtio", ("virtio_pci", "virtio_net")), ("e1000", ("e1000",)))

_NAME = re.compile(NAME)

_LISTS = ("modules.builtin", "modules.builtin.modinfo", "modules.order")
"""Files that depmod(8) reads besides the modules."""

NEEDED_MB = 2500
"""Disk space for an unpacked generic kernel with headers."""

_BOUND_S = 300.0
"""Timeout for each program, which takes seconds on an idle machine."""


def add(  # noqa: PLR0913  the kernel, its name and its origin
    store: KernelStore,
    given: Given,
    name: str | None,
    taken: Sequence[str],
    work: Work,
    *,
    release: str | None = None,
    known: str | None = None,
) -> tuple[Kernel, bool]:
    """Add a kernel; one already added from the same packages is left unchanged.

    Args:
        store: The store to add it to.
        given: Packages, directories or addresses.
        name: Its name; None for a name derived from its release.
        taken: Names already used by machines.
        work: Reports each step.
        release: Which release it must be, as `uname -r` prints it; None for any.
        known: Name of the known kernel whose verified packages are given; None for any other kernel.

    Returns:
        The kernel, and whether it is new.

    Raises:
        BadInput: what was given is no bootable kernel, or its name is taken.
        BrokenEnvironment: a program or disk space is missing, or an address cannot be reached.
        Cancelled: the work was cancelled. Whatever is raised, nothing is left in the store.
    """
    if name is not None and name in taken:
        raise BadInput(f"a machine is called '{name}'; give the kernel another name: --name")
    if name is not None and not _NAME.fullmatch(name):
        raise BadInput(f"'{name}' is not a valid machine name: up to 31 of a-z, 0-9 and -, starting with a letter")
    with store.adding(work) as scratch:
        require_space(scratch, NEEDED_MB)
        tree, files = scratch / "tree", scratch / "files"
        tree.mkdir()
        files.mkdir()
        gathered = source.gather(given, tree, work)
        sources = [one.source for one in gathered]
        with _missing_named(gathered):
            tree_kernel = layout.find(tree)
        if release not in {None, tree_kernel.release}:
            raise BadInput(f"the packages hold kernel {tree_kernel.release}, not {release}")
        name = name or default_name(tree_kernel.release)
        if name in store.names():
            return _same(store.get(name), sources), False
        with _missing_named(gathered):
            _require_bootable(tree_kernel)
        if lacking := needed.missing([one.package for one in gathered if one.package]):
            work.note(f"{needed.describe(lacking)}; without them some features may not work")
        with work.step("making its initramfs and its disk"):
            count = _make_files(tree_kernel, tree, files, work)
        kernel = _described(name, tree_kernel, sources, count, known)
        store.put(kernel, files)
        return kernel, True


@contextmanager
def _missing_named(gathered: Sequence[Gathered]) -> Iterator[None]:
    """Name packages that were not given when their absence may have caused an error.

    Raises:
        BadInput: replaces the one raised inside when packages need others that were not given.
    """
    try:
        yield
    except BadInput as error:
        lacking = needed.missing([one.package for one in gathered if one.package])
        if not lacking:
            raise
        raise BadInput(
            f"{error.message}: {needed.describe(lacking)}",
            hint="give all of them to one command",
        ) from error


def default_name(release: str) -> str:
    """Return a name derived from a kernel's release, valid as a machine and host name."""
    short = re.sub(r"[._-](amd64|x86_64)$", "", release.lower())
    return re.sub(r"[^a-z0-9]+", "-", f"linux-{short}")[:31].strip("-")


def _same(there: Kernel, sources: Sequence[KernelSource]) -> Kernel:
    sums = [{one.sha256 for one in these} for these in (there.sources, sources)]
    if sums[0] == sums[1] and None not in sums[0]:
        return there
    raise BadInput(
        f"there is already a kernel '{there.name}': {there.release}, from {there.sources[0].given}",
        hint=f"give another name (--name), or remove that one first: lab kernel remove {there.name}",
    )


def _require_bootable(kernel_tree: Found) -> None:
    """Raise an error at once for what would fail in the guest, as far as the kernel's own lists show it."""
    modules = kernel_tree.modules
    if not modules.has("ext4"):
        raise BadInput(f"kernel {kernel_tree.release} has no ext4, which the guest image's disk needs")
    for what, choices in (("disk", _DISKS), ("network card", _NETWORKS)):
        if _driven(modules, choices) is None:
            needs = " or ".join(" with ".join(names) for _, names in choices)
            raise BadInput(
                f"kernel {kernel_tree.release} has no driver for the guest's {what}: it takes {needs}",
                hint="a package of its modules may be missing (kernel-modules, kernel-modules-core)",
            )


def _driven(modules: Modules, choices: _Choices) -> str | None:
    """Return the first variant of a device for which a kernel has all drivers; None for none."""
    return next((kind for kind, names in choices if all(modules.has(name) for name in names)), None)


def _make_files(kernel_tree: Found, tree: Path, files: Path, work: Work) -> int:
    """Create the files that the kernel is booted from and return its number of modules for the guest."""
    log = files / "making.log"
    shutil.copyfile(kernel_tree.image, files / IMAGE)
    root = files / "root"
    modules = root / "lib/modules" / kernel_tree.release
    count = _put_modules(kernel_tree.modules, modules, work)
    _strip(modules, log, work)
    depmod = process.require("depmod", "kmod")
    process.run([depmod, "-b", root, kernel_tree.release], work=work, log=log, bound_s=_BOUND_S)
    _put_headers(kernel_tree, tree, root)
    _make_boot_modules(kernel_tree, modules, files, log, work)
    # The oldest ext4 feature set, and no journal: the disk is only ever read.
    make = [process.require("mke2fs", "e2fsprogs"), "-q", "-F", "-t", "ext4", "-m", "0", "-E", "root_owner=0:0"]
    make += ["-O", "^has_journal,^metadata_csum,^64bit,^resize_inode"]
    process.run([*make, "-d", root, files / DISK, f"{_disk_mb(root)}M"], work=work, log=log, bound_s=_BOUND_S)
    shutil.rmtree(root)
    log.unlink()
    return count


def _put_modules(modules: Modules, target: Path, work: Work) -> int:
    """Copy the modules that the guest may load, uncompressed, to their usual places."""
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
    """Strip debug information, which self-built kernels have: it is most of a module's size."""
    heavy = [path for path in sorted(modules.rglob("*.ko")) if header.has_debug_information(path.read_bytes())]
    if heavy:
        strip = process.require("strip", "binutils")
        process.run([strip, "--strip-debug", *heavy], work=work, log=log, bound_s=_BOUND_S)


def _put_headers(kernel_tree: Found, tree: Path, root: Path) -> None:
    if kernel_tree.headers is None:
        return
    for name in ("usr/src", "usr/lib"):
        for path in sorted((tree / name).glob("*")):
            if path.name == "modules":
                continue
            (root / name).mkdir(parents=True, exist_ok=True)
            path.rename(root / name / path.name)
    link = root / "lib/modules" / kernel_tree.release / "build"
    link.symlink_to("/" / kernel_tree.headers.relative_to(tree))


def _make_boot_modules(kernel_tree: Found, modules: Path, files: Path, log: Path, work: Work) -> None:
    tree = files / "initramfs"
    tree.mkdir()
    (tree / "kernel-release").write_text(kernel_tree.release + "\n")
    initramfs.put_modules(tree, Modules(modules).with_needed(BOOT))
    initramfs.pack(tree, files / BOOT_MODULES, work=work, log=log)
    shutil.rmtree(tree)


def _disk_mb(root: Path) -> int:
    """Return a size in MB that holds a tree: files in 4 KiB blocks, 256-byte inodes, and a margin."""
    paths = list(root.rglob("*"))
    blocks = sum(-(-path.lstat().st_size // 4096) + 1 for path in paths)
    return 8 + (blocks * 4096 + len(paths) * 256) * 11 // 10 // 2**20


def _described(name: str, kernel_tree: Found, sources: Sequence[KernelSource], count: int, known: str | None) -> Kernel:
    modules = kernel_tree.modules
    return Kernel.model_validate(
        {
            "name": name,
            "release": kernel_tree.release,
            "sources": tuple(sources),
            "added": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "modules": count,
            "headers": kernel_tree.headers is not None,
            "lacks": tuple(needed for needed in NEEDED_FOR_TRIALS if not modules.has(needed)),
            "disk": _driven(modules, _DISKS),
            "network": _driven(modules, _NETWORKS),
            "known": known,
        }
    )
