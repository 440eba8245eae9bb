"""The guest image's recipe and its initramfs."""

from __future__ import annotations

import gzip
import lzma
import shutil
from pathlib import Path

import pytest
import zstandard

from lab.commands.doctor import PROGRAMS
from lab.foundation import distribution
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import PROVISION
from lab.foundation.work import Work
from lab.image import initramfs
from lab.image.recipe import Recipe, built_files, digest_of, source_files


@pytest.fixture
def provision(tmp_path: Path) -> Path:
    """Return a copy of `provision/` that tests may change."""
    return Path(shutil.copytree(PROVISION, tmp_path / "provision", ignore=shutil.ignore_patterns("*.ko", "*.out")))


@pytest.mark.parametrize(
    "changed",
    [
        "image/packages.txt",
        "image/initramfs-init",
        "image/login/login.c",
        "nfqdns/nfqdns.c",
        "nfqdns/Makefile",
        "guest/build.sh",
    ],
)
def test_a_changed_input_changes_the_image_key(provision: Path, changed: str) -> None:
    """An outdated image would show yesterday's module."""
    before = Recipe(provision).digest
    with (provision / changed).open("a") as file:
        file.write("another-package\n")

    assert Recipe(provision).digest != before


def test_a_changed_guest_script_needs_no_new_image(provision: Path) -> None:
    """Scripts reach a machine over SSH; a new image for each would take a minute."""
    image, sources = Recipe(provision).digest, digest_of(provision, source_files(provision))
    with (provision / "guest" / "trials.sh").open("a") as file:
        file.write("# another line\n")

    assert Recipe(provision).digest == image
    assert digest_of(provision, source_files(provision)) != sources
    assert not any(path.name == "trials.sh" for path in built_files(provision))


def test_build_products_do_not_change_the_image_key(provision: Path) -> None:
    """Otherwise a build by hand would make every machine outdated."""
    before = digest_of(provision, source_files(provision))
    for name in ("nfqdns/nfqdns.mod.c", "nfqdns/nfqdns.ko", "verdict/user.out", "nfqdns/.nfqdns.o.cmd"):
        (provision / name).write_text("built")

    assert digest_of(provision, source_files(provision)) == before


def test_modules_are_loaded_after_their_dependencies(tmp_path: Path) -> None:
    """As modules.dep says, each once, and built-in ones never."""
    (tmp_path / "modules.dep").write_text(
        "kernel/net/virtio_net.ko: kernel/virtio/virtio.ko kernel/virtio/virtio_ring.ko\n"
        "kernel/block/virtio_blk.ko: kernel/virtio/virtio.ko kernel/virtio/virtio_ring.ko\n"
        "kernel/virtio/virtio.ko: kernel/virtio/virtio_ring.ko\n"
        "kernel/virtio/virtio_ring.ko:\n"
    )
    order = initramfs.load_order(tmp_path, ["virtio_blk", "ext4", "virtio_net"])

    assert [path.stem for path in order] == ["virtio_ring", "virtio", "virtio_blk", "virtio_net"]


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstandard.compress)],
    ids=["plain", "gz", "xz", "zst"],
)
def test_an_initramfs_has_uncompressed_modules(tmp_path: Path, suffix: str, pack: type[bytes]) -> None:
    """Busybox's insmod cannot decompress."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / f"disk.ko{suffix}").write_bytes(pack(b"the module itself"))
    (modules / "modules.dep").write_text(f"disk.ko{suffix}:\n")
    target = tmp_path / "initramfs"
    script = PROVISION / "image" / "initramfs-init"
    initramfs.build(
        target,
        modules=initramfs.load_order(modules, ["disk"]),
        busybox=script,
        init=script,
        work=Work(),
        log=tmp_path / "log",
    )

    archive = gzip.decompress(target.read_bytes())
    assert b"the module itself" in archive
    assert b"modules/00-disk.ko\0" in archive
    assert [path.name for path in tmp_path.glob("initramfs*")] == ["initramfs"]


def test_an_unknown_module_compression_is_an_error(tmp_path: Path) -> None:
    """Otherwise the guest would not find its disk."""
    (tmp_path / "disk.ko.new").write_bytes(b"")
    (tmp_path / "modules.dep").write_text("disk.ko.new:\n")
    script = PROVISION / "image" / "initramfs-init"
    with pytest.raises(BrokenEnvironment, match=r"disk\.ko\.new: the compression \.new"):
        initramfs.build(
            tmp_path / "initramfs",
            modules=initramfs.load_order(tmp_path, ["disk"]),
            busybox=script,
            init=script,
            work=Work(),
            log=tmp_path / "log",
        )


def test_doctor_and_setup_list_the_same_packages() -> None:
    """Otherwise `make demo` would install less than the lab needs."""
    assert set(PROGRAMS.values()) <= set(distribution.read().wanted)
