"""Files that are put into a guest's disk without mounting it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from lab.image import disk


def read(image: Path, command: str) -> str:
    """Return what debugfs prints about a disk."""
    debugfs = process.require("debugfs", "e2fsprogs")
    return subprocess.run([debugfs, "-R", command, image], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return a small disk that has a few files of Debian's."""
    tree = tmp_path / "debian"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc" / "inittab").write_text("Debian's")
    (tree / "etc" / "kept").write_text("as it was")
    (tree / "sbin").mkdir()
    (tree / "sbin" / "init").symlink_to("/lib/systemd")
    path = tmp_path / "disk.img"
    mke2fs = process.require("mke2fs", "e2fsprogs")
    subprocess.run([mke2fs, "-q", "-F", "-t", "ext4", "-d", tree, path, "8M"], check=True)
    return path


def put(image: Path, tree: Path) -> None:
    """Put a tree into a disk."""
    disk.add(image, tree, Work(), image.with_suffix(".log"))


def test_files_replace_those_of_the_disk_and_the_rest_stays(image: Path, tmp_path: Path) -> None:
    """Contents, modes, links and new directories; every file is root's, and the file system is sound."""
    tree = tmp_path / "a tree of someone's: Bäume"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc" / "inittab").write_text("the lab's")
    program = tree / "opt" / "lab" / "build" / "6.1.0-57+x" / "user.out"
    program.parent.mkdir(parents=True)
    program.write_bytes(bytes(range(256)) * 1000)
    program.chmod(0o755)
    (tree / "sbin").mkdir()
    (tree / "sbin" / "init").symlink_to("/bin/busybox")

    put(image, tree)

    assert read(image, "cat /etc/inittab") == "the lab's"
    assert read(image, "cat /etc/kept") == "as it was"
    assert "/bin/busybox" in read(image, "stat /sbin/init")
    place = f"/{program.relative_to(tree)}"
    status = read(image, f"stat {place}")
    assert "Mode:  0755" in status
    assert "User:     0   Group:     0" in status
    read(image, f"dump {place} {tmp_path}/out")
    assert (tmp_path / "out").read_bytes() == program.read_bytes()
    assert subprocess.run([process.require("e2fsck", "e2fsprogs"), "-fn", image], check=False).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("disk")) == ["disk.img", "disk.log"]


def test_a_disk_that_is_full_is_an_error_in_one_line(image: Path, tmp_path: Path) -> None:
    """An image without one of its programs would fail later and elsewhere."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "large").write_bytes(os.urandom(9_000_000))

    with pytest.raises(BrokenEnvironment, match=r"^the guest's disk could not be written: [^\n]*$"):
        put(image, tree)


def test_a_file_without_a_disk_is_an_error(tmp_path: Path) -> None:
    """Debugfs goes on without one."""
    tree, image = tmp_path / "tree", tmp_path / "disk.img"
    tree.mkdir()
    (tree / "file").write_text("text")
    image.write_bytes(bytes(1_000_000))

    with pytest.raises(BrokenEnvironment, match="could not be written"):
        put(image, tree)


@pytest.mark.parametrize("name", ['a"b', "a b", "a\nrm b"])
def test_a_name_that_would_be_another_command_is_refused(image: Path, tmp_path: Path, name: str) -> None:
    """Commands are lines."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / name).write_text("text")

    with pytest.raises(BrokenEnvironment, match="a name that debugfs does not take"):
        put(image, tree)
