"""Leftovers of Vagrant beside libvirt's guests and their removal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.provider import libvirt


@contextmanager
def forward(directory: Path, key_file: str) -> Iterator[subprocess.Popen[bytes]]:
    """Return a process with a key file among its arguments, recorded as vagrant-libvirt does."""
    arguments = ["-o", f'IdentityFile="{key_file}"', "-L", "127.0.0.1:50022:192.168.121.5:22", "-N"]
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments])
    noted = directory / ".vagrant" / "machines" / "old" / "libvirt" / "pids" / "ssh_50022.pid"
    noted.parent.mkdir(parents=True, exist_ok=True)
    noted.write_text(str(process.pid))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_port_forward_to_a_removed_guest_is_ended(tmp_path: Path) -> None:
    """It would keep the port, which the recreated machine needs."""
    with forward(tmp_path, "/lab/keys/login") as process:
        libvirt.close_forwards(tmp_path, Path("/lab/keys/login"))

        assert process.poll() is not None
    assert not list(tmp_path.rglob("*.pid"))


def test_a_reused_process_id_is_not_killed(tmp_path: Path) -> None:
    """Only processes started with this lab's key are ended."""
    with forward(tmp_path, "/another/keys/login") as process:
        libvirt.close_forwards(tmp_path, Path("/lab/keys/login"))
        (tmp_path / ".vagrant/machines/old/libvirt/pids/ssh_50022.pid").write_text("not a number")
        libvirt.close_forwards(tmp_path, Path("/lab/keys/login"))

        assert process.poll() is None


@pytest.mark.parametrize(
    ("answer", "status", "problem"),
    [
        ("<domainCapabilities><domain>kvm</domain></domainCapabilities>", 0, None),
        ("error: invalid argument: KVM is not supported by '/usr/bin/qemu' on this host", 1, "KVM is not supported"),
        ("error: failed to connect to the hypervisor", 1, "failed to connect"),
    ],
)
def test_libvirt_is_asked_whether_it_has_kvm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, status: int, problem: str | None
) -> None:
    """The stand-in for virsh answers only the correct command."""
    virsh = tmp_path / "virsh"
    virsh.write_text(
        f"#!/bin/sh\n[ \"$*\" = '--connect qemu:///system domcapabilities --virttype kvm' ] || exit 9\n"
        f'echo "{answer}" >&{1 if status == 0 else 2}\nexit {status}\n'
    )
    virsh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    observed = libvirt.kvm_problem(libvirt.SYSTEM)
    assert observed is None if problem is None else problem in (observed or "")
