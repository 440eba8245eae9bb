"""sshd on kernels without usable getrandom, simulated by a module loaded before the root disk."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.foundation.work import Work
from lab.image import initramfs
from lab.kernels.store import BOOT_MODULES
from tests.guest.conftest import TestLab
from tests.guest.test_kernels import debs, fetch, needed_by

__all__ = ["debs"]

SOURCES = Path(__file__).parent / "random"


def add_kernel(lab: TestLab, debs: Path, scratch: Path, module: str, *defines: str) -> None:
    """Add Debian's 6.1 under a module's name, with that module in its initramfs."""
    image = needed_by("linux-image-cloud-amd64", "linux-image-6.1")
    headers = Path(f"/usr/src/linux-headers-{image.removeprefix('linux-image-')}")
    assert headers.exists(), "the headers on this machine are older than apt's kernel: make setup-tests"
    build = scratch / "build"
    build.mkdir()
    for source in (f"{module}.c", "instead.h"):
        shutil.copy(SOURCES / source, build)
    (build / "Makefile").write_text(f"obj-m := {module}.o\nccflags-y := {' '.join(defines)}\n")
    subprocess.run(["make", "-C", headers, f"M={build}", "W=1"], check=True, capture_output=True)
    lab.well("kernel", "add", *map(str, fetch(debs, image)), "--name", module)
    modules = scratch / "tree" / "modules"
    modules.mkdir(parents=True)
    shutil.copy(build / f"{module}.ko", modules / f"99-{module}.ko")
    archive = scratch / "module.cpio"
    initramfs.pack(scratch / "tree", archive, work=Work(), log=scratch / "cpio.log")
    with (lab.home / "kernels" / module / BOOT_MODULES).open("ab") as boot_modules:
        boot_modules.write(archive.read_bytes())


def has_library(lab: TestLab, machine: str) -> bool:
    """Return whether the listening sshd, the oldest one, uses the lab's random library instead of glibc's."""
    return int(lab.ask(machine, "grep -c lab-random.so /proc/$(pgrep -o -x sshd)/maps || true")) > 0


def test_login_works_on_a_kernel_without_getrandom(fresh: TestLab, debs: Path, tmp_path: Path) -> None:
    """Sshd's sandboxed process cannot open /dev/urandom, where glibc's own arc4random would abort."""
    add_kernel(fresh, debs, tmp_path, "absent")

    fresh.well("up", "absent")

    assert int(fresh.ask("absent", "cat /sys/module/absent/parameters/asked")) > 0
    assert has_library(fresh, "absent")
    # Only sshd has the library, not a user's programs.
    assert fresh.run("ssh", "absent", "--", "env | grep PRELOAD").status == 1
    # Each login is handled by a process with separate random bytes.
    for _ in range(3):
        assert fresh.ask("absent", "echo in") == "in\n"


def test_login_works_where_getrandom_waits_for_entropy(fresh: TestLab, debs: Path, tmp_path: Path) -> None:
    """One credit of the seed leaves the pool uninitialised."""
    add_kernel(fresh, debs, tmp_path, "blocking")

    fresh.well("up", "blocking")

    credited = int(fresh.ask("blocking", "cat /sys/module/blocking/parameters/credits"))
    assert credited == 6, "the first fills the input pool, and every second of the others the pool that counts"
    assert not has_library(fresh, "blocking")


def test_a_hanging_getrandom_is_reported_as_the_cause(fresh: TestLab, debs: Path, tmp_path: Path) -> None:
    """An empty console would not show the reason."""
    add_kernel(fresh, debs, tmp_path, "blocking", "-DFOREVER=true")

    result = fresh.run("up", "blocking", "--json")

    assert (result.status, fresh.guests()) == (3, [])
    assert json.loads(result.out)["error"]["message"] == (
        "blocking did not boot: sshd does not start: getrandom(2) blocks, after 1024 bytes of randomness from the host"
    )


@pytest.mark.parametrize("name", ["old", "today"])
def test_a_kernel_with_getrandom_gets_no_random_library(running: TestLab, name: str) -> None:
    """Sshd uses glibc's and OpenSSL's randomness there, and the seed is removed from the disk."""
    assert not has_library(running, name)
    assert running.run("ssh", name, "--", "[ -e /etc/lab-random ]").status == 1
