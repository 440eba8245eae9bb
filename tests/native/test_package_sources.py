"""Where packages for the guest image come from: this host's Debian mirror, and its security archive."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.foundation.work import Work
from lab.kernels.apt import PrivateApt

INSTALLED = "Package: base-files\nStatus: install ok installed\nVersion: 12\n"


def sources(scratch: Path, status: str) -> list[str]:
    """Return the address and the suite of each source of packages."""
    apt = PrivateApt("bookworm", scratch, "packages", Work())
    apt.prepare(status)
    return [line.partition("] ")[2] for line in (scratch / "sources.list").read_text().splitlines()]


def test_packages_for_an_installed_system_also_come_from_the_security_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some depend on exactly the version that the image has from there, such as unbound on its part of Python."""
    monkeypatch.delenv("LAB_MIRROR", raising=False)
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian-Security"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    if not listed:
        pytest.skip("apt on this host uses no security archive of Debian's")

    (main, security), alone = sources(tmp_path / "1", INSTALLED), sources(tmp_path / "2", "")

    assert security == f"{listed[0].rstrip('/')} bookworm-security main"
    assert alone == [main]


def test_a_mirror_that_the_user_names_is_the_only_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image was built from it alone; another one may be out of reach."""
    monkeypatch.setenv("LAB_MIRROR", "http://127.0.0.1:1/debian/")

    assert sources(tmp_path, INSTALLED) == ["http://127.0.0.1:1/debian bookworm main"]
