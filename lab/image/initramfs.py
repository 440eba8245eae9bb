"""Builds a kernel's initramfs: busybox, and the drivers needed to find the disk."""

from __future__ import annotations

import gzip
import lzma
import shutil
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.later import Later
from lab.foundation.work import Work

if TYPE_CHECKING:
    import zstandard
else:
    zstandard = Later("zstandard")

MOST_MODULE_BYTES = 200_000_000
"""Most bytes of an unpacked module; with debug information some have 50 MB."""


def _gzip(content: bytes) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)  # 16: gzip header, see zlib.decompressobj
    return _whole(unpacker.decompress(content, MOST_MODULE_BYTES), ended=unpacker.eof)


def _xz(content: bytes) -> bytes:
    unpacker = lzma.LZMADecompressor()
    return _whole(unpacker.decompress(content, MOST_MODULE_BYTES), ended=unpacker.eof)


def _zstd(content: bytes) -> bytes:
    # A frame's header may contain the content size, and zstandard allocates that much regardless of the limit.
    is_small = zstandard.frame_content_size(content) <= MOST_MODULE_BYTES
    unpacker = zstandard.ZstdDecompressor()
    return _whole(unpacker.decompress(content, MOST_MODULE_BYTES) if is_small else b"", ended=is_small)


def _whole(content: bytes, *, ended: bool) -> bytes:
    if not ended:
        raise EOFError("it is truncated, or larger than any module")
    return content


_UNPACK: dict[str, Callable[[bytes], bytes]] = {".ko": bytes, ".gz": _gzip, ".xz": _xz, ".zst": _zstd}
"""Module compressions that kernels support (Kconfig, MODULE_COMPRESS)."""


def build(  # noqa: PLR0913  the parts, each by name
    target: Path, *, modules: Iterable[Path], busybox: Path, init: Path, work: Work, log: Path
) -> None:
    """Build a kernel's initramfs.

    Args:
        target: The gzip-compressed cpio archive to write.
        modules: Modules to load, in this order.
        busybox: A static busybox.
        init: The init script.
        work: Its cancellation ends the packing.
        log: File for the packing program's output.

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
    """Copy modules into an initramfs tree, whose init loads them in this order.

    Raises:
        BrokenEnvironment: a module's compression is unknown, or it is damaged.
    """
    (tree / "modules").mkdir(parents=True)
    for position, path in enumerate(modules):
        name = path.name.split(".")[0]
        (tree / "modules" / f"{position:02d}-{name}.ko").write_bytes(unpacked(path))


def unpacked(module: Path) -> bytes:
    """Return a module's uncompressed content, so that the guest's programs need not decompress it.

    Raises:
        BrokenEnvironment: its compression is unknown, or it is damaged.
    """
    unpack = _UNPACK.get(module.suffix)
    if unpack is None:
        raise BrokenEnvironment(f"{module.name}: the compression {module.suffix} is not supported")
    try:
        return unpack(module.read_bytes())
    except (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise BrokenEnvironment(f"{module.name} is damaged: {error}") from error


def pack(tree: Path, archive: Path, *, work: Work, log: Path) -> None:
    """Pack a directory as an initramfs: a cpio archive in "newc" format, owned by root.

    Raises:
        BrokenEnvironment: the cpio program is missing or failed.
    """
    process.require("cpio", "cpio")
    script = 'find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --create --format=newc --owner=0:0 --file="$1"'
    process.run(["sh", "-eu", "-c", script, "sh", archive], work=work, log=log, bound_s=60, cwd=tree)


def load_order(modules: Path, wanted: Iterable[str]) -> list[Path]:
    """Return the module files to load, each after its dependencies, by the kernel's own `modules.dep`.

    Args:
        modules: The kernel's `lib/modules/RELEASE`.
        wanted: Module names; one that is not in `modules.dep` is built in.
    """
    depends: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        depends[path] = rest.split()
    by_name = {Path(path).name.split(".")[0].replace("-", "_"): path for path in depends}
    order: dict[str, None] = {}

    def add(path: str) -> None:
        # depmod lists a module's dependencies with the deepest last.
        for needed in reversed(depends[path]):
            add(needed)
        order.setdefault(path)

    for name in wanted:
        if name in by_name:
            add(by_name[name])
    return [modules / path for path in order]
