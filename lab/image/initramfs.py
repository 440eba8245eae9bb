"""The initramfs of a kernel: busybox, the drivers it needs to find its disk, and nothing else."""

from __future__ import annotations

import gzip
import lzma
import shutil
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import zstandard

from lab import process
from lab.errors import BrokenEnvironment
from lab.work import Work

MOST_MODULE_BYTES = 200_000_000
"""What a module may hold when it is unpacked; with debug information some have 50 MB."""


def _gzip(content: bytes) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)  # with a header of gzip's: zlib.decompressobj
    return _whole(unpacker.decompress(content, MOST_MODULE_BYTES), ended=unpacker.eof)


def _xz(content: bytes) -> bytes:
    unpacker = lzma.LZMADecompressor()
    return _whole(unpacker.decompress(content, MOST_MODULE_BYTES), ended=unpacker.eof)


def _zstd(content: bytes) -> bytes:
    # A frame's header may tell how long its content is, and that much is set aside whatever else is asked for.
    told_whole = zstandard.frame_content_size(content) <= MOST_MODULE_BYTES
    unpacker = zstandard.ZstdDecompressor()
    return _whole(unpacker.decompress(content, MOST_MODULE_BYTES) if told_whole else b"", ended=told_whole)


def _whole(content: bytes, *, ended: bool) -> bytes:
    if not ended:
        raise EOFError("it is cut off, or longer than any module")
    return content


_UNPACK: dict[str, Callable[[bytes], bytes]] = {".ko": bytes, ".gz": _gzip, ".xz": _xz, ".zst": _zstd}
"""Kernels know these compressions of modules (Kconfig, MODULE_COMPRESS)."""


def build(  # noqa: PLR0913  what goes in, each by name
    target: Path, *, modules: Iterable[Path], busybox: Path, init: Path, work: Work, log: Path
) -> None:
    """Make a kernel's initramfs.

    Args:
        target: The gzip-compressed cpio archive to write.
        modules: The modules it must load, in this order.
        busybox: A static busybox.
        init: The script that runs in it.
        work: Whose cancellation ends the packing.
        log: Takes what the packing program says.

    Raises:
        BrokenEnvironment: the packing failed, or a module's compression is unknown.
    """
    tree = target.with_suffix(".tree")
    for directory in ("bin", "dev", "newroot"):
        (tree / directory).mkdir(parents=True)
    shutil.copy(busybox, tree / "bin" / "busybox")
    shutil.copy(init, tree / "init")
    put_modules(tree, modules)
    plain = target.with_suffix(".cpio")
    pack(tree, plain, work=work, log=log)
    target.write_bytes(gzip.compress(plain.read_bytes(), compresslevel=1))
    plain.unlink()
    shutil.rmtree(tree)


def put_modules(tree: Path, modules: Iterable[Path]) -> None:
    """Put modules into an initramfs' tree, where its init loads them in this order.

    Raises:
        BrokenEnvironment: one's compression is unknown, or it is damaged.
    """
    (tree / "modules").mkdir(parents=True)
    for position, path in enumerate(modules):
        name = path.name.split(".")[0]
        (tree / "modules" / f"{position:02d}-{name}.ko").write_bytes(unpacked(path))


def unpacked(module: Path) -> bytes:
    """Give a module's content, whatever it is compressed with: the guest's own programs need not know.

    Raises:
        BrokenEnvironment: its compression is unknown, or it is damaged.
    """
    unpack = _UNPACK.get(module.suffix)
    if unpack is None:
        raise BrokenEnvironment(f"{module.name}: modules compressed as {module.suffix} are not read")
    try:
        return unpack(module.read_bytes())
    except (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise BrokenEnvironment(f"{module.name} is damaged: {error}") from error


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
