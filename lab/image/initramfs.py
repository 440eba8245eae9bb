"""The initramfs of a kernel: busybox, the drivers it needs to find its disk, and nothing else."""

from __future__ import annotations

import gzip
import lzma
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from lab import process
from lab.errors import BrokenEnvironment
from lab.work import Work

_UNPACK: dict[str, Callable[[bytes], bytes]] = {".ko": bytes, ".gz": gzip.decompress, ".xz": lzma.decompress}


def build(  # noqa: PLR0913  what goes in, each by name
    target: Path, *, modules: Path, wanted: Iterable[str], busybox: Path, init: Path, work: Work, log: Path
) -> None:
    """Make a kernel's initramfs.

    Args:
        target: The gzip-compressed cpio archive to write.
        modules: The kernel's own `lib/modules/RELEASE`.
        wanted: The modules it must load; those built into the kernel are passed over.
        busybox: A static busybox.
        init: The script that runs in it.
        work: Whose cancellation ends the packing.
        log: Takes what the packing program says.

    Raises:
        BrokenEnvironment: the packing failed, or a module's compression is unknown.
    """
    tree = target.with_suffix(".tree")
    for directory in ("bin", "dev", "modules", "newroot"):
        (tree / directory).mkdir(parents=True)
    shutil.copy(busybox, tree / "bin" / "busybox")
    shutil.copy(init, tree / "init")
    for position, path in enumerate(load_order(modules, wanted)):
        unpack = _UNPACK.get(path.suffix)
        if unpack is None:
            raise BrokenEnvironment(f"{path.name}: modules compressed as {path.suffix} are not read")
        name = path.name.split(".")[0]
        (tree / "modules" / f"{position:02d}-{name}.ko").write_bytes(unpack(path.read_bytes()))
    plain = target.with_suffix(".cpio")
    pack(tree, plain, work=work, log=log)
    target.write_bytes(gzip.compress(plain.read_bytes(), compresslevel=1))
    plain.unlink()
    shutil.rmtree(tree)


def pack(tree: Path, archive: Path, *, work: Work, log: Path) -> None:
    """Pack a directory as the kernel wants it: a cpio archive in "newc" format, everything owned by root.

    Raises:
        BrokenEnvironment: the cpio program is missing or failed.
    """
    process.require("cpio", "cpio")
    script = 'find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --create --format=newc --owner=0:0 --file="$1"'
    process.run(["sh", "-eu", "-c", script, "sh", archive], work=work, log=log, bound_s=60, cwd=tree)


def load_order(modules: Path, wanted: Iterable[str]) -> list[Path]:
    """Give the module files to load, each after those it depends on, by the kernel's own `modules.dep`.

    Args:
        modules: The kernel's `lib/modules/RELEASE`.
        wanted: Module names; one that `modules.dep` does not have is built in.
    """
    depends: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        depends[path] = rest.split()
    by_name = {Path(path).name.split(".")[0].replace("-", "_"): path for path in depends}
    order: dict[str, None] = {}

    def add(path: str) -> None:
        # depmod lists what a module needs with the deepest last.
        for needed in reversed(depends[path]):
            add(needed)
        order.setdefault(path)

    for name in wanted:
        if name in by_name:
            add(by_name[name])
    return [modules / path for path in order]
