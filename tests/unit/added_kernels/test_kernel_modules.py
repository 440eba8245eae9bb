"""Modules of an added kernel: which are loaded at boot, how they are decompressed, what they depend on."""

from __future__ import annotations

import contextlib
import functools
import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import libarchive
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from lab.foundation.errors import BrokenEnvironment
from lab.image import initramfs
from lab.kernels import header
from lab.kernels.modules import Modules
from lab.kernels.store import BOOT_MODULES, KernelStore
from tests import kernels
from tests.unit.added_kernels.adding import add, in_disk


def test_an_initramfs_loads_what_the_disk_and_the_network_card_need(store: KernelStore, tree: Path) -> None:
    """Dependencies come first, soft ones included: ext4 without crc32c cannot mount."""
    add(store, tree)

    with libarchive.file_reader(str(store.path("mine") / BOOT_MODULES)) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(".ko")]
    order = [name.split("/")[-1][3:-3] for name in sorted(names)]
    assert set(order) == {"virtio", "virtio_pci", "virtio_blk", "net_failover", "virtio_net", "jbd2", "ext4"} | {
        "crc32c_generic"
    }
    for needed, by in (("virtio", "virtio_blk"), ("net_failover", "virtio_net"), ("jbd2", "ext4")):
        assert order.index(needed) < order.index(by)


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstandard.compress)],
    ids=["gz", "xz", "zst"],
)
def test_compressed_modules_are_decompressed_for_the_guest(
    store: KernelStore, tree: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """The guest's modprobe may not know the compression."""
    for path in list(tree.rglob("*.ko")):
        path.with_name(path.name + suffix).write_bytes(pack(path.read_bytes()))
        path.unlink()

    assert add(store, tree).modules == len(kernels.MODULES) - 1
    assert in_disk(store, f"/lib/modules/{kernels.RELEASE}/kernel/fs/ext4").split()[-1] == "ext4.ko"


def test_a_truncated_module_is_named(store: KernelStore, tree: Path) -> None:
    """Otherwise the guest would not find its disk."""
    path = next(tree.rglob("ext4.ko"))
    path.with_name("ext4.ko.xz").write_bytes(lzma.compress(path.read_bytes())[:-20])
    path.unlink()

    with pytest.raises(BrokenEnvironment, match=r"ext4\.ko\.xz is damaged"):
        add(store, tree)
    assert store.names() == []


@given(st.data())
def test_any_module_file_is_parsed_or_refused(data: st.DataObject) -> None:
    """Bytes behind a real module's header are altered at random."""
    content = bytearray(_a_module())
    for at, byte in data.draw(
        st.dictionaries(st.integers(0, len(content) - 1), st.integers(0, 255), max_size=8)
    ).items():
        content[at] = byte
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(header.HeaderError):
        header.module(cut)
    header.has_debug_information(cut)


@functools.cache
def _a_module() -> bytes:
    """Return a 64-bit ELF file with one section, .modinfo, and its names."""
    names, modinfo = b"\0.modinfo\0.shstrtab\0", b"depends=a,b\0softdep=pre: c post: d\0vermagic=1 SMP\0"
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    first = struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, 64 + len(names) + len(modinfo), 0, 64, 0, 0, 64, 3, 2)
    sections = [(0, 0, 0), (1, 64 + len(names), len(modinfo)), (10, 64, len(names))]
    table = b"".join(struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, at, size, 0, 0, 1, 0) for name, at, size in sections)
    return ident + first + names + modinfo + table


def test_a_modules_dependencies_are_read() -> None:
    """Post-dependencies are not among its needs."""
    module = header.module(_a_module())

    assert (module.architecture, module.release, module.depends, module.softly) == (
        "x86_64",
        "1",
        ("a", "b"),
        ("c",),
    )


def test_without_modules_builtin_no_module_counts_as_missing(tree: Path) -> None:
    """A kernel from a user's own tree may have anything built in."""
    modules = Modules(tree / "lib/modules" / kernels.RELEASE)
    assert not modules.has("sch_netem")
    assert modules.has("ipv6")
    next(tree.rglob("modules.builtin")).unlink()
    assert Modules(modules.directory).has("sch_netem")


def test_a_module_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes can expand to gigabytes."""
    monkeypatch.setattr(initramfs, "MOST_MODULE_BYTES", 100_000)
    for suffix, pack in ((".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstandard.compress)):
        path = tmp_path / f"bomb.ko{suffix}"
        path.write_bytes(pack(bytes(1_000_000)))
        with pytest.raises(BrokenEnvironment, match="larger than any module"):
            initramfs.unpacked(path)
