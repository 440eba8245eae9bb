"""Kernels made for tests: an image with a header, modules with real modinfo, and packages."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

RELEASE = "4.18.0-test.x86_64"

MODULES: Mapping[str, str] = {
    "kernel/drivers/virtio/virtio.ko": "depends=",
    "kernel/drivers/virtio/virtio_pci.ko": "depends=virtio",
    "kernel/drivers/block/virtio_blk.ko": "depends=virtio",
    "kernel/drivers/net/virtio_net.ko": "depends=virtio,net-failover",
    "kernel/drivers/net/net_failover.ko": "depends=",
    "kernel/drivers/net/veth.ko": "depends=",
    "kernel/drivers/gpu/drm/drm.ko": "depends=",
    "kernel/fs/ext4/ext4.ko": "depends=jbd2|softdep=pre: crypto-crc32c",
    "kernel/fs/jbd2/jbd2.ko": "depends=",
    "kernel/crypto/crc32c_generic.ko": "depends=|alias=crypto-crc32c",
    "kernel/net/netfilter/nf_conntrack.ko": "depends=libcrc32c",
    "kernel/net/netfilter/nfnetlink_queue.ko": "depends=",
    "kernel/lib/libcrc32c.ko": "depends=|softdep=pre: crc32c",
}
"""Modules with the fields of their .modinfo."""

AARCH64 = 183
"""EM_AARCH64 (elf.h)."""


def image(release: str = RELEASE, *, bits: int = 64) -> bytes:
    """Return the beginning of a bzImage: Documentation/arch/x86/boot.rst."""
    content = bytearray(0x1000)
    content[0x1FE:0x200] = b"\x55\xaa"
    content[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", content, 0x206, 0x20F)
    struct.pack_into("<H", content, 0x20E, 0x400)
    struct.pack_into("<H", content, 0x236, 1 if bits == 64 else 0)
    words = f"{release} (somebody@somewhere) #1 SMP\0".encode()
    content[0x600 : 0x600 + len(words)] = words
    return bytes(content)


def module(path: Path, message: str, *, machine: int | None = None) -> None:
    """Create a module with fields of .modinfo, separated by "|"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = "".join(f'.string "{field}"\n' for field in [*message.split("|"), f"vermagic={RELEASE} SMP"])
    source = f'.section .modinfo,"a"\n{fields}.section .text\nnop\n'
    subprocess.run(["gcc", "-x", "assembler", "-c", "-", "-o", path], input=source.encode(), check=True)
    if machine is not None:
        content = bytearray(path.read_bytes())
        struct.pack_into("<H", content, 18, machine)
        path.write_bytes(content)


def tree(where: Path, *, machine: int | None = None, without: str = "-") -> Path:
    """Create an installed kernel: `boot/` and `lib/modules/`."""
    modules = where / "lib/modules" / RELEASE
    for name, content in MODULES.items():
        if without not in name:
            module(modules / name, content, machine=machine)
    (modules / "modules.builtin").write_text("kernel/net/ipv6/ipv6.ko\n")
    (modules / "modules.order").write_text("".join(f"{name}\n" for name in MODULES))
    (where / "boot").mkdir()
    (where / "boot" / f"vmlinuz-{RELEASE}").write_bytes(image())
    return where


def deb(
    files: Path, package: Path, *, compression: str = "xz", name: str = "linux-image-test", depends: str = ""
) -> Path:
    """Create a Debian package of a tree."""
    control = files / "DEBIAN" / "control"
    control.parent.mkdir()
    control.write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: Tests <tests@example.com>\n"
        + (f"Depends: {depends}\n" if depends else "")
        + "Description: a kernel\n"
    )
    # A test would fail if any of these ran.
    for script in ("preinst", "postinst"):
        (control.parent / script).write_text(f"#!/bin/sh\ntouch {package}.ran\n")
        (control.parent / script).chmod(0o755)
    command: list[str | Path] = ["dpkg-deb", "--root-owner-group", f"-Z{compression}", "-z1", "--build", files, package]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(control.parent)
    return package


def rpms(files: Path, where: Path, *, payload: str, **packages: str) -> list[Path]:
    """Create RPMs of a tree.

    Args:
        files: Directory of the tree.
        where: Output directory.
        payload: rpmbuild's name of the compression, such as "w1.xzdio".
        packages: The files of each, as lines of a spec's %files, and lines of "Requires: ..."; underscores in a
            package's name stand for hyphens.
    """
    spec = where / "kernel.spec"
    names = {name.replace("_", "-"): listing for name, listing in packages.items()}
    described = "".join(
        f"%package -n {name}\nSummary: a kernel\n{_lines(lines, requires=True)}%description -n {name}\nA kernel.\n"
        for name, lines in names.items()
    )
    listing = "".join(f"%files -n {name}\n{_lines(lines, requires=False)}" for name, lines in names.items())
    spec.write_text(
        f"Name: test\nVersion: 1\nRelease: 1\nSummary: a kernel\nLicense: GPL-2.0\n%description\nA kernel.\n"
        f"{described}%install\nmkdir -p %{{buildroot}}\ncp -a {files}/. %{{buildroot}}/\n{listing}"
    )
    settings = {
        "_topdir": where / "build",
        "_rpmdir": where,
        "_build_name_fmt": "%%{NAME}.rpm",
        "_binary_payload": payload,
        # No checks, stripping or dependency generation.
        "__os_install_post": "%{nil}",
        "__spec_install_post": "%{nil}",
        "_build_id_links": "none",
        "debug_package": "%{nil}",
        "__find_requires": "%{nil}",
        "_unpackaged_files_terminate_build": "0",
    }
    defines = [part for name, value in settings.items() for part in ("--define", f"{name} {value}")]
    command: list[str | Path] = ["rpmbuild", "--quiet", "-bb", "--nodeps", "--target", "x86_64", *defines, spec]
    subprocess.run(command, check=True, capture_output=True)
    return [where / f"{name}.rpm" for name in names]


def _lines(lines: str, *, requires: bool) -> str:
    return "".join(f"{line}\n" for line in lines.splitlines() if line.startswith("Requires:") == requires)


KERNEL_OF_RHEL_7 = {"kernel": "/boot/vmlinuz-*\n/lib/modules/*"}
KERNEL_OF_FEDORA = {
    "kernel_core": "/lib/modules/*/vmlinuz\n/lib/modules/*/modules.*",
    "kernel_modules_core": "/lib/modules/*/kernel/fs\n/lib/modules/*/kernel/drivers\n/lib/modules/*/kernel/crypto\n"
    "/lib/modules/*/kernel/lib",
    "kernel_modules": "/lib/modules/*/kernel/net",
}
"""Files of each package, in both package layouts."""


def fedora_like(files: Path) -> Path:
    """Move the image to Fedora's place, beside the modules."""
    (image,) = (files / "boot").glob("vmlinuz-*")
    image.rename(next((files / "lib/modules").iterdir()) / "vmlinuz")
    return files
