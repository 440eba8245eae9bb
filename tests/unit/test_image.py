"""The guest image's recipe and its initramfs."""

from __future__ import annotations

import gzip
import lzma
import shutil
from pathlib import Path

import pytest
import zstandard

from lab.commands.doctor import PROGRAMS
from lab.errors import BrokenEnvironment
from lab.home import PROVISION
from lab.image import initramfs
from lab.image.recipe import Recipe, built_files, digest_of, source_files
from lab.work import Work


@pytest.fixture
def provision(tmp_path: Path) -> Path:
    """Give a copy of `provision/` that may be changed."""
    return Path(shutil.copytree(PROVISION, tmp_path / "provision", ignore=shutil.ignore_patterns("*.ko", "*.out")))


@pytest.mark.parametrize(
    "changed", ["image/packages.txt", "image/initramfs-init", "nfqdns/nfqdns.c", "nfqdns/Makefile", "guest/build.sh"]
)
def test_a_change_of_what_goes_in_is_another_image(provision: Path, changed: str) -> None:
    """A stale image would show yesterday's module."""
    before = Recipe(provision).digest
    with (provision / changed).open("a") as file:
        file.write("another-package\n")

    assert Recipe(provision).digest != before


def test_a_change_of_a_guest_script_is_sent_and_builds_nothing_anew(provision: Path) -> None:
    """Scripts reach a machine over SSH; a new image for each would cost a minute."""
    image, sources = Recipe(provision).digest, digest_of(provision, source_files(provision))
    with (provision / "guest" / "trials.sh").open("a") as file:
        file.write("# another line\n")

    assert Recipe(provision).digest == image
    assert digest_of(provision, source_files(provision)) != sources
    assert not any(path.name == "trials.sh" for path in built_files(provision))


def test_what_a_build_left_beside_the_sources_does_not_count(provision: Path) -> None:
    """Or building by hand would make every machine out of date."""
    before = digest_of(provision, source_files(provision))
    for name in ("nfqdns/nfqdns.mod.c", "nfqdns/nfqdns.ko", "verdict/user.out", "nfqdns/.nfqdns.o.cmd"):
        (provision / name).write_text("built")

    assert digest_of(provision, source_files(provision)) == before


def test_modules_are_loaded_after_those_they_need(tmp_path: Path) -> None:
    """As modules.dep says, each once, and built-in ones not at all."""
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
def test_an_initramfs_holds_plain_modules_however_the_kernel_packs_them(
    tmp_path: Path, suffix: str, pack: type[bytes]
) -> None:
    """Busybox's insmod reads plain ones only."""
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


def test_a_module_compressed_in_an_unknown_way_is_said_so(tmp_path: Path) -> None:
    """Rather than a guest that does not find its disk."""
    (tmp_path / "disk.ko.new").write_bytes(b"")
    (tmp_path / "modules.dep").write_text("disk.ko.new:\n")
    script = PROVISION / "image" / "initramfs-init"
    with pytest.raises(BrokenEnvironment, match=r"disk\.ko\.new: modules compressed as \.new"):
        initramfs.build(
            tmp_path / "initramfs",
            modules=initramfs.load_order(tmp_path, ["disk"]),
            busybox=script,
            init=script,
            work=Work(),
            log=tmp_path / "log",
        )


def test_what_doctor_asks_for_is_what_the_bootstrap_installs() -> None:
    """Or `make demo` would install less than the lab needs."""
    installed = {line.split("#")[0].strip() for line in (PROVISION / "host" / "packages.txt").read_text().splitlines()}

    assert set(PROGRAMS.values()) <= installed
