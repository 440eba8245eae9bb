"""Vagrant box of the guest image for libvirt: the same disk and its kernels."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.foundation import process
from lab.foundation.digesting import sha256_of
from lab.foundation.files import locked, require_space, write_whole
from lab.foundation.work import Work
from lab.image.base import DISK_MB
from lab.image.build import Image

KEPT_BOXES = 1
"""Boxes kept: one takes 800 MB and is built in seconds."""

NEEDED_MB = 2000
"""Disk space for the disk as qcow2 and the archive."""

CONVERT_BOUND_S = 600.0
"""Timeout of the conversion, which takes two seconds on an idle machine."""


@dataclass(frozen=True)
class BoxFile:
    """A box on disk.

    Attributes:
        path: The file.
        version: Version, different for each guest image.
        sha256: SHA-256 in hexadecimal.
    """

    path: Path
    version: str
    sha256: str


def ensure(image: Image, vagrantfile: Callable[[str], str], cache: Path, work: Work) -> BoxFile:
    """Return the box of a guest image, building it if the cache does not have it.

    Args:
        image: The image.
        vagrantfile: Returns the box's Vagrantfile for the kernel series that it boots.
        cache: Directory of the boxes.
        work: Reports the step.

    Raises:
        BrokenEnvironment: a program or disk space is missing.
        Cancelled: the work was cancelled; nothing incomplete is left.
    """
    directory = cache / "boxes" / image.path.name
    with locked(cache / "boxes.lock", "the Vagrant box", work, bound_s=CONVERT_BOUND_S):
        if not (directory / "manifest.json").exists():
            require_space(cache, NEEDED_MB)
            directory.parent.mkdir(parents=True, exist_ok=True)
            with (
                work.step("building a Vagrant box of the guest image"),
                tempfile.TemporaryDirectory(dir=directory.parent, prefix="unfinished-") as name,
            ):
                scratch = Path(name)
                _make(image, vagrantfile, scratch, work)
                shutil.rmtree(directory, ignore_errors=True)
                scratch.rename(directory)
                scratch.mkdir()  # removed by the context manager
            _remove_others(directory)
    manifest = json.loads((directory / "manifest.json").read_text())
    return BoxFile(directory / "debian.box", manifest["version"], manifest["sha256"])


def version_of(image: Image) -> str:
    """Return the version of an image's box: the image's digest as a number, since Vagrant's versions are numeric."""
    return f"0.0.{int(image.path.name[:8], 16)}"


def write_catalogue(path: Path, name: str, box: BoxFile) -> None:
    """Write the box catalogue that Vagrant reads: name, versions and checksums.

    Vagrant verifies the checksum when it adds the box.
    """
    provider = {
        "name": "libvirt",
        "url": box.path.as_uri(),
        "checksum_type": "sha256",
        "checksum": box.sha256,
    }
    document = {"name": name, "versions": [{"version": box.version, "providers": [provider]}]}
    write_whole(path, json.dumps(document, indent=1))


def _make(image: Image, vagrantfile: Callable[[str], str], scratch: Path, work: Work) -> None:
    log = scratch / "qemu-img.log"
    disk = scratch / "box.img"
    process.run(
        [process.require("qemu-img", "qemu-utils"), "convert", "-f", "raw", "-O", "qcow2", image.disk, disk],
        work=work,
        log=log,
        bound_s=CONVERT_BOUND_S,
    )
    series = next(iter(image.releases))
    # https://vagrant-libvirt.github.io/vagrant-libvirt/boxes.html: the virtual size is in GiB.
    metadata = {"provider": "libvirt", "format": "qcow2", "virtual_size": -(-DISK_MB // 1024)}
    box = scratch / "debian.box"
    with tarfile.open(box, "w") as tar:
        _add(tar, "metadata.json", json.dumps(metadata))
        _add(tar, "Vagrantfile", vagrantfile(series))
        for other in image.releases:
            tar.add(image.kernel(other), image.kernel(other).name)
            tar.add(image.initramfs(other), image.initramfs(other).name)
        work.check()
        tar.add(disk, disk.name)
    work.check()
    checksum = sha256_of(box)
    disk.unlink()
    log.unlink()
    (scratch / "manifest.json").write_text(json.dumps({"version": version_of(image), "sha256": checksum}))


def _add(tar: tarfile.TarFile, name: str, text: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(text.encode())
    tar.addfile(member, io.BytesIO(text.encode()))


def _remove_others(kept: Path) -> None:
    newest_first = sorted(kept.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in [path for path in newest_first if path != kept][KEPT_BOXES - 1 :]:
        shutil.rmtree(path, ignore_errors=True)
