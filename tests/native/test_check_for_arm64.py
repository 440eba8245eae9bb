"""The program that `lab check` sends to a host, built for arm64 by a cross compiler and run under QEMU's user mode."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64-static"

SOURCES = ("check", "lanes", "verdict", "clients")

pytestmark = [
    pytest.mark.container,  # as the container it takes packages from a network
    pytest.mark.skipif(
        shutil.which(COMPILER) is None or shutil.which(EMULATOR) is None,
        reason="apt-get install gcc-aarch64-linux-gnu qemu-user-static",
    ),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with musl's and the kernel's files for arm64, from this host's Debian mirrors."""
    directory = tmp_path_factory.mktemp("arm64")
    for part in ("state/lists/partial", "cache/archives/partial", "root"):
        (directory / part).mkdir(parents=True)
    (directory / "status").touch()
    settings = directory / "apt.conf"
    settings.write_text(
        f'Dir::State "{directory}/state";\nDir::State::status "{directory}/status";\nDir::Cache "{directory}/cache";\n'
        'APT::Architecture "arm64";\nAPT::Architectures { "arm64"; };\nAPT::Sandbox::User "";\n'
    )
    environment = {**os.environ, "APT_CONFIG": str(settings)}
    for command in (["update", "-qq"], ["download", "-qq", "musl-dev", "linux-libc-dev"]):
        subprocess.run(["apt-get", *command], env=environment, cwd=directory, check=True, capture_output=True)
    for package in directory.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, directory / "root"], check=True)
    return directory / "root"


@pytest.fixture(scope="module")
def program(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program."""
    sources = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        shutil.copytree(PROVISION / name, sources / name, ignore=shutil.ignore_patterns("*.o", "check", "*.out"))
    compiler = sources / "check" / "cross.sh"
    variables = [f"MUSL_CC={compiler}", f"HEADERS_ROOT={root}", "ARCH_HEADERS=aarch64-linux-gnu"]
    made = subprocess.run(
        ["make", "--silent", "-C", sources / "check", *variables, "check"],
        env={**os.environ, "HEADERS_ROOT": str(root), "CFLAGS": "-Werror"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return sources / "check" / "check"


def test_it_is_a_static_program_for_arm64(program: Path) -> None:
    """So that it runs on any arm64 server, whatever is installed there."""
    header = subprocess.run(
        ["readelf", "--file-header", "--program-headers", program], capture_output=True, text=True, check=True
    )
    assert "AArch64" in header.stdout
    assert "INTERP" not in header.stdout


def test_it_runs_and_refuses_what_it_does_not_know(program: Path) -> None:
    """Under QEMU's user mode, which has none of the netlink that a trial needs."""
    helped = subprocess.run([EMULATOR, program, "--help"], capture_output=True, text=True, check=False)
    assert helped.returncode == 0
    assert helped.stdout.startswith("Usage: check --rule")
    refused = subprocess.run([EMULATOR, program, "--rule", "evil"], capture_output=True, text=True, check=False)
    assert refused.returncode not in {0, -11}
    assert refused.stderr
