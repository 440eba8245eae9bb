"""The whole demo on other hosts: in their root file systems, from `make` on an empty system to the table."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.foundation.home import PROJECT
from lab.foundation.work import Work
from lab.kernels.apt import PrivateApt, mirror

pytestmark = [
    pytest.mark.container,  # as the container, they are made of packages from a network
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts in a separate mount namespace, and chroot, take root"),
]

UBUNTU = "http://archive.ubuntu.com/ubuntu"

CHECKOUT = ("lab", "provision", "scenarios", "Makefile", "README.md", "LICENSE", "Vagrantfile.j2", "pyproject.toml")
"""What a checkout has that `make demo` uses, beside the requirements."""

BOUND_S = 3600

ENTER = """
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
root=$1
shift
chroot "$root" sh -euc "cd /five-second-lab; $1"
"""
"""Runs a line in a root file system; mounts and processes end with the namespaces that unshare makes for it."""


@dataclass(frozen=True)
class HostSystem:
    """A distribution that the lab promises to run on.

    Attributes:
        name: As in its /etc/os-release.
        suite: What its archive calls it.
        python: The Python that the bootstrap takes there.
        mirror: Its archive; None for this host's Debian mirror.
    """

    name: str
    suite: str
    python: str
    mirror: str | None = None


HOSTS = (
    HostSystem("Debian GNU/Linux 13", "trixie", "3.13"),
    HostSystem("Ubuntu 22.04", "jammy", "3.11", UBUNTU),
    HostSystem("Ubuntu 24.04", "noble", "3.12", UBUNTU),
    HostSystem("Ubuntu 26.04", "resolute", "3.14", UBUNTU),
)


@dataclass(frozen=True)
class Host:
    """A host's root file system, with a checkout of the lab in it."""

    system: HostSystem
    root: Path

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a shell line in the checkout as root, with Python's packages from this host and no index."""
        proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        environment = {"HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
        return subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", ENTER, "sh", self.root, line],
            env=environment | proxies,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
        )

    def well(self, line: str) -> str:
        """Run a line that must succeed, and return its output."""
        done = self.run(line)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout


@pytest.fixture(scope="module")
def ubuntu_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return Ubuntu's keys, from Debian's package of them, which apt verifies."""
    directory = tmp_path_factory.mktemp("keys")
    apt = PrivateApt("trixie", directory / "apt", "Ubuntu's keys", Work())
    apt.prepare()
    apt.get("update")
    apt.get("download", "ubuntu-keyring", cwd=directory)
    (package,) = directory.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, directory / "root"], check=True)
    return directory / "root" / "usr" / "share" / "keyrings" / "ubuntu-archive-keyring.gpg"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the guest image in one file, as it would come on a stick."""
    path = tmp_path_factory.mktemp("stick") / "image.tar.zst"
    subprocess.run([PROJECT / ".venv/bin/lab", "image", "export", path], capture_output=True, check=True)
    return path


@pytest.fixture(params=HOSTS, ids=lambda host: host.suite)
def host(request: pytest.FixtureRequest, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Return an empty host, with a checkout, the guest image in one file, and Python's packages."""
    system: HostSystem = request.param
    root = tmp_path_factory.mktemp(system.suite)
    made = make_host(system, root, request.getfixturevalue("ubuntu_keys") if system.mirror else None)
    shutil.copy(image, root / "image.tar.zst")
    yield made
    shutil.rmtree(root)


def make_host(system: HostSystem, root: Path, keyring: Path | None) -> Host:
    """Make a host with nothing on it but `make`, a checkout and Python's packages.

    Args:
        system: The distribution.
        root: An empty directory.
        keyring: The keys of its archive; None for those that apt has.
    """
    keys = [f"--keyring={keyring}"] if keyring else []
    # Ubuntu's installer writes both suites; 22.04 has its Python 3.11 in the second one only.
    suites = (system.suite, f"{system.suite}-updates")
    sources = [f"deb {system.mirror} {suite} main universe" for suite in suites] if system.mirror else [mirror()]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=apt,make,ca-certificates", *keys]
    subprocess.run([*command, system.suite, root, *sources], check=True, timeout=BOUND_S)
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    checkout = root / "five-second-lab"
    checkout.mkdir()
    for name in (*CHECKOUT, *(path.name for path in PROJECT.glob("requirements*.txt"))):
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("__pycache__", "*.o", "*.out"))
        else:
            shutil.copy(source, checkout / name)
    _download(system.python, root / "wheels")
    return Host(system, root)


def _download(python: str, target: Path) -> None:
    """Download Python's packages for another Python, verified with the hashes of the requirements."""
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in (5, 12, 17, 28, 34)]
    subprocess.run(
        [
            *(PROJECT / ".venv/bin/pip", "download", "--quiet", "--require-hashes", "--no-deps", "--dest", target),
            *("-r", PROJECT / "requirements.txt", "-r", PROJECT / "requirements-build.txt"),
            *("--only-binary=:all:", "--python-version", python, "--implementation", "cp", *platforms),
        ],
        capture_output=True,
        check=True,
    )


def test_the_demo_runs_on_an_empty_host(host: Host) -> None:
    """`make` installs what is missing, an imported image is used, and the table is the expected one."""
    host.well("make setup")
    host.well(".venv/bin/lab image import /image.tar.zst")
    printed = host.well("make demo")
    assert "old (replica): 5 of 5 armed trials stalled for one timeout of 5 s" in printed
    assert "new (replica): none of 5 armed trials stalled" in printed

    doctor = json.loads(host.well(".venv/bin/lab doctor --json"))
    checks = {check["name"]: check for check in doctor["checks"]}
    assert host.system.name in checks["host"]["found"]
    assert f"Python {host.system.python}." in checks["host"]["found"]
    assert checks["guest image"]["ok"]
    assert host.well("make setup") == ""
    assert str(host.root) not in Path("/proc/self/mounts").read_text()
