"""Kernels from packages and directories: which are accepted, which are refused, and the messages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.foundation.errors import BadInput
from lab.kernels.store import IMAGE, KernelStore
from tests import kernels
from tests.unit.added_kernels.adding import PACKAGES, add, in_disk, made, refused


@pytest.mark.parametrize("form", PACKAGES)
def test_a_kernel_is_extracted_from_every_package_format(
    store: KernelStore, tree: Path, tmp_path: Path, form: str
) -> None:
    """Only modules that the guest needs are extracted, and no script runs."""
    kernel = add(store, *PACKAGES[form](tree, tmp_path))

    assert (kernel.release, kernel.disk, kernel.network, kernel.lacks) == (kernels.RELEASE, "virtio", "virtio", ())
    assert kernel.modules == len(kernels.MODULES) - 1
    assert (store.path("mine") / IMAGE).read_bytes() == kernels.image()
    assert "drm" not in in_disk(store, f"/lib/modules/{kernels.RELEASE}/kernel/drivers")
    assert "modules.dep.bin" in in_disk(store, f"/lib/modules/{kernels.RELEASE}")
    assert list(tmp_path.glob("*.ran")) == []


def test_a_kernel_build_tree_is_accepted(store: KernelStore, tree: Path, tmp_path: Path) -> None:
    """modules.order lists objects since 6.2 and modules before; debug information is stripped."""
    built = tmp_path / "linux"
    for path in tree.rglob("*.ko"):
        target = built / str(path).split("/kernel/")[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    order = [str(path.relative_to(built)) for path in sorted(built.rglob("*.ko"))]
    (built / "modules.order").write_text("".join(f"{name[:-3]}.o\n" for name in order))
    (built / "modules.builtin").write_text("")
    (built / "arch/x86/boot").mkdir(parents=True)
    (built / "arch/x86/boot/bzImage").write_bytes(kernels.image())
    refused(store, built, match="there is no include/config/kernel.release")
    (built / "include/config").mkdir(parents=True)
    (built / "include/config/kernel.release").write_text(kernels.RELEASE + "\n")
    source = ".text\nnop\n.section .debug_info\n.zero 4000000\n"
    heavy = built / "drivers/net/veth.ko"
    with_debug = '.section .modinfo,"a"\n.string "depends="\n' + source
    subprocess.run(["gcc", "-x", "assembler", "-c", "-", "-o", heavy], input=with_debug.encode(), check=True)

    kernel = add(store, built)

    assert (kernel.release, kernel.modules) == (kernels.RELEASE, len(kernels.MODULES) - 1)
    assert store.size_bytes("mine") < 3_000_000
    (built / "fs/ext4/ext4.ko").unlink()
    with pytest.raises(BadInput, match=r"fs/ext4/ext4\.o of modules\.order was not built"):
        add(store, built, name="other")


def test_headers_are_installed_only_with_their_kernel(store: KernelStore, tree: Path, tmp_path: Path) -> None:
    """The build link leads to the headers' place in the guest."""
    headers = tmp_path / "headers" / "usr/src/kernels" / kernels.RELEASE
    headers.mkdir(parents=True)
    (headers / "Makefile").write_text("all:\n")
    kernel = tmp_path / "kernel"
    (package,) = kernels.rpms(tree, kernel_dir := made(kernel), payload="w1.gzdio", **kernels.KERNEL_OF_RHEL_7)
    assert kernel_dir == kernel
    devel = tmp_path / "devel"
    (with_headers,) = kernels.rpms(
        tmp_path / "headers", made(devel), payload="w1.gzdio", kernel_devel=f"/usr/src/kernels/{kernels.RELEASE}"
    )

    assert add(store, package, with_headers).headers
    assert "Makefile" in in_disk(store, f"/usr/src/kernels/{kernels.RELEASE}")
    assert "build" in in_disk(store, f"/lib/modules/{kernels.RELEASE}")
    headers.rename(headers.with_name("3.10.0"))
    others = tmp_path / "others"
    (other,) = kernels.rpms(
        tmp_path / "headers", made(others), payload="w1.gzdio", kernel_devel="/usr/src/kernels/3.10.0"
    )
    with pytest.raises(BadInput, match=r"the headers are of 3\.10\.0, but the kernel is 4\.18\.0"):
        add(store, package, other, name="other")


def test_a_truncated_package_is_reported_as_truncated(store: KernelStore, tree: Path, tmp_path: Path) -> None:
    """Every truncation is detected; so is a file that is no package."""
    for package in (kernels.deb(tree, tmp_path / "linux.deb"), *PACKAGES["RHEL 7"](tree, tmp_path)):
        whole = package.read_bytes()
        for share in (0.1, 0.5, 0.9, 0.99):
            package.write_bytes(whole[: int(len(whole) * share)])
            refused(store, package, match=rf"^{package.name}: it is damaged or cut off: [^=]+$")
    (tmp_path / "note.txt").write_text("hello\n")
    refused(store, tmp_path / "note.txt", match="neither an RPM nor a Debian package")
    refused(store, tmp_path / "absent.deb", match="there is no such file")


def test_a_kernel_of_another_architecture_is_named(store: KernelStore, tmp_path: Path) -> None:
    """The modules or the image show the architecture."""
    refused(store, kernels.tree(tmp_path / "arm", machine=kernels.AARCH64), match="is for aarch64; .* are x86_64")
    files = kernels.tree(tmp_path / "i386")
    next((files / "boot").iterdir()).write_bytes(kernels.image(bits=32))
    refused(store, files, match="is for i386")


def test_parts_of_two_kernels_are_not_combined(store: KernelStore, tree: Path) -> None:
    """A kernel does not load another one's modules, so the guest would not find its disk."""
    image = next((tree / "boot").iterdir())
    image.write_bytes(kernels.image("5.14.0-1.x86_64"))
    refused(store, tree, match=r"the kernel is 5\.14\.0-1\.x86_64, but its modules are for 4\.18\.0")
    (tree / "lib/modules/other/kernel").mkdir(parents=True)
    (tree / "lib/modules/other/kernel/a.ko").write_bytes(b"")
    refused(store, tree, match="several kernels were given: 4.18.0-test.x86_64, other")


def test_a_missing_package_is_requested_by_name(store: KernelStore, tree: Path, tmp_path: Path) -> None:
    """RHEL splits a kernel and its modules into several packages."""
    packages = {path.stem: path for path in PACKAGES["Fedora"](tree, tmp_path)}
    error = refused(store, packages["kernel-modules"], match="no kernel image was given")
    assert error.hint is not None
    assert "kernel-core" in error.hint
    refused(store, packages["kernel-core"], match="has no ext4")
    kernel = add(store, packages["kernel-core"], packages["kernel-modules-core"])
    assert kernel.lacks == ("nf_conntrack", "nfnetlink_queue")


def test_a_kernel_without_a_driver_for_the_guests_disk_is_refused(store: KernelStore, tmp_path: Path) -> None:
    """The error comes at once, not after a failed boot; AHCI and e1000 are enough."""
    files = kernels.tree(tmp_path / "files", without="virtio_blk")
    refused(
        store, files, match="no driver for the guest's disk: it takes virtio_pci with virtio_blk or ahci with sd_mod"
    )
    builtin = next(files.rglob("modules.builtin"))
    builtin.write_text("kernel/drivers/ata/ahci.ko\nkernel/drivers/scsi/sd_mod.ko\n")
    assert add(store, files).disk == "ahci"
