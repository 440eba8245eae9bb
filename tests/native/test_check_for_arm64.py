"""The programs of `lab check` and `lab watch` for arm64: cross-compiled, and run under QEMU's user mode."""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.commands.check import CheckRequest, check
from lab.commands.watch import watch
from lab.commands.watch_request import WatchRequest
from lab.endpoint.endpoint import Account
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import Home
from lab.foundation.work import Work
from lab.remote_check.program import CHECK, WATCH, HostProgram, built
from lab.session.session import Session
from tests.native.sent_program import is_static
from tests.ssh_server import serving_shell

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64-static"

BINFMT = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
"""How the kernel knows programs for arm64, and what runs them: in the package qemu-user-static (binfmt.d(5))."""

PROGRAMS = pytest.mark.parametrize("program", [CHECK, WATCH], ids=lambda program: program.name)

pytestmark = [
    pytest.mark.container,  # as the container it takes packages from a network
    pytest.mark.skipif(
        shutil.which(COMPILER) is None or shutil.which(EMULATOR) is None,
        reason="apt-get install gcc-aarch64-linux-gnu qemu-user-static",
    ),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Return a lab at a path that make and a shell would divide, whose programs are built with warnings as errors."""
    place = tmp_path_factory.mktemp("arm64") / "a lab"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CFLAGS", "-Werror")
        yield Home(place, place / "cache", place / "config.toml")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Return a server of arm64: this host's shell, in a namespace whose kernel runs programs for arm64 by QEMU.

    Its `uname` alone is a substitute. The kernel's table of formats is one for each user namespace (binfmt_misc, 6.7).
    """
    programs = tmp_path / "programs"
    programs.mkdir()
    uname = programs / "uname"
    uname.write_text('#!/bin/sh\nif [ "$*" = -m ]; then echo aarch64; else exec /usr/bin/uname "$@"; fi\n')
    uname.chmod(uname.stat().st_mode | stat.S_IXUSR)
    inside = (
        "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && cat $0 >/proc/sys/fs/binfmt_misc/register && "
        f'PATH={programs}:$PATH && export PATH && exec sh -c "$1"'
    )
    shell: list[str | Path] = ["unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c", inside, BINFMT]
    if subprocess.run([*shell, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("the kernel has no binfmt_misc of a user namespace's own (Linux 6.7)")
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving_shell(tmp_path, "arm", shell) as endpoint:
        (tmp_path / ".ssh" / "known_hosts").write_text(f"[{endpoint.host}]:{endpoint.port} {endpoint.host_key}\n")
        yield Account(endpoint.host, endpoint.user, endpoint.port, endpoint.key_file)


@PROGRAMS
def test_it_is_a_static_program_for_arm64(home: Home, program: HostProgram) -> None:
    """So that it runs on any arm64 server, whatever is installed there."""
    path = built(home, Work(), program, "aarch64")
    header = subprocess.run(["readelf", "--file-header", path], capture_output=True, text=True, check=True)
    assert "AArch64" in header.stdout
    assert is_static(path)


@PROGRAMS
def test_it_runs_and_refuses_what_it_does_not_know(home: Home, program: HostProgram) -> None:
    """Under QEMU's user mode."""
    path = built(home, Work(), program, "aarch64")
    helped = subprocess.run([EMULATOR, path, "--help"], capture_output=True, text=True, check=False)
    assert helped.returncode == 0
    assert helped.stdout.startswith(f"Usage: {program.name}")
    refused = subprocess.run([EMULATOR, path, "--evil"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr


def test_headers_and_musl_are_downloaded_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second program, and the next version of one, need no network."""
    first = built(home, Work(), CHECK, "aarch64")
    first.unlink()
    monkeypatch.setenv("LAB_MIRROR", "http://127.0.0.1:1/debian")
    assert built(home, Work(), CHECK, "aarch64") == first


def test_a_watch_of_an_arm64_server_runs_the_program_for_it(home: Home, server: Account) -> None:
    """It counts its seconds; QEMU's user mode has no packet sockets, which the result says, too."""
    with Session(home, Work()) as session:
        watched = watch(session, WatchRequest(server, seconds=2), lambda _seen: None).data

    assert watched.watched_s >= 1
    assert watched.not_seen
    assert not watched.ended


def test_a_check_of_an_arm64_server_runs_the_program_for_it(home: Home, server: Account) -> None:
    """Up to the kernel's netfilter, which QEMU's user mode does not reach: the error is the program's own."""
    with Session(home, Work()) as session, pytest.raises(BrokenEnvironment, match=r"cannot \w+ (an )?(ip|nf)_tables"):
        check(session, CheckRequest(server, 1, load=True))
