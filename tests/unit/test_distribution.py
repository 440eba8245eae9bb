"""Each host gets the commands of its package manager: from /etc/os-release files as distributions have them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.commands import doctor
from lab.commands.doctor import PROGRAMS
from lab.foundation import distribution, namespaces, process
from lab.foundation.home import PROJECT, PROVISION

RELEASES = {
    "debian-12": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n',
    "debian-13": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n',
    "debian-sid": 'PRETTY_NAME="Debian GNU/Linux forky/sid"\nID=debian\n',
    "ubuntu-22.04": 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nVERSION_ID="22.04"\nID=ubuntu\nID_LIKE=debian\n',
    "ubuntu-24.04": 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n',
    "mint": 'PRETTY_NAME="Linux Mint 22"\nID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\n',
    "fedora": 'PRETTY_NAME="Fedora Linux 41"\nID=fedora\nVERSION_ID=41\n',
    "rhel-9": 'PRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n',
    "rocky-9": 'PRETTY_NAME="Rocky Linux 9.4"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n',
    "leap": 'PRETTY_NAME="openSUSE Leap 15.6"\nID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\n',
    "tumbleweed": 'PRETTY_NAME="openSUSE Tumbleweed"\nID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n',
    "alpine": 'PRETTY_NAME="Alpine Linux v3.20"\nID=alpine\nVERSION_ID=3.20.0\n',
}
"""As the distributions write them, shortened to the fields that count."""

EXPECTED = {
    "debian-12": ("debian", "python3", "apt-get"),
    "debian-13": ("debian", "python3", "apt-get"),
    "debian-sid": ("debian", "python3", "apt-get"),
    "ubuntu-22.04": ("debian", "python3.11", "apt-get"),
    "ubuntu-24.04": ("debian", "python3", "apt-get"),
    "mint": ("debian", "python3", "apt-get"),
    "fedora": ("fedora", "python3", "dnf"),
    "rhel-9": ("rhel", "python3.11", "dnf"),
    "rocky-9": ("rhel", "python3.11", "dnf"),
    "leap": ("suse", "python3.11", "zypper"),
    "tumbleweed": ("suse", "python3", "zypper"),
    "alpine": (None, "python3", ""),
}

MakeRoot = Callable[[str], Path]


@pytest.fixture
def root_of(tmp_path: Path) -> MakeRoot:
    """Return what makes a root file system that says which distribution it is."""

    def make(name: str) -> Path:
        (tmp_path / "etc").mkdir(exist_ok=True)
        (tmp_path / "etc" / "os-release").write_text(RELEASES[name])
        return tmp_path

    return make


@pytest.mark.parametrize("name", RELEASES)
def test_a_distribution_is_known_by_its_os_release(root_of: MakeRoot, name: str) -> None:
    """Its family, its Python, and what installs packages."""
    host = distribution.read(root_of(name))
    family, python, manager = EXPECTED[name]

    assert (host.family, host.python) == (family, python)
    assert host.name in RELEASES[name]
    if family:
        assert manager in host.install(["x"])


@pytest.mark.parametrize("name", [name for name in RELEASES if name != "alpine"])
def test_doctors_command_installs_what_is_missing_by_the_hosts_own_names(
    root_of: MakeRoot, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """On a host without any program."""
    monkeypatch.setattr(process, "find", lambda _program: None)
    host = distribution.read(root_of(name))
    checks = doctor.programs(host, has_image=False)

    assert {check.name for check in checks} == set(PROGRAMS)
    assert all(check.needed and not check.ok for check in checks)
    assert {check.package for check in checks if check.package} == {
        package for program in PROGRAMS.values() if (package := host.package(program))
    }
    for check in checks:
        if check.package is None:
            assert "container" in check.found
            assert host.name in check.found


def test_only_debians_family_and_fedora_build_the_guest_image(root_of: MakeRoot) -> None:
    """Elsewhere there is no mmdebstrap, and advice must not name one."""
    there = {name for name in RELEASES if distribution.read(root_of(name)).package("mmdebstrap")}
    assert there == {"debian-12", "debian-13", "debian-sid", "ubuntu-22.04", "ubuntu-24.04", "mint", "fedora"}


def test_an_imported_image_needs_no_program_that_builds_one(root_of: MakeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """On openSUSE the lab runs with an image from a stick."""
    monkeypatch.setattr(process, "find", lambda _program: None)
    checks = {check.name: check for check in doctor.programs(distribution.read(root_of("leap")), has_image=True)}

    assert not checks["mmdebstrap"].needed
    assert checks["qemu-system-x86_64"].needed
    assert checks["qemu-system-x86_64"].package == "qemu-x86"


def test_every_column_of_the_tables_is_filled() -> None:
    """A shifted row would install another program."""
    for name in ("packages.txt", "optional-packages.txt"):
        for line in (PROVISION / "host" / name).read_text().splitlines():
            words = line.split("#")[0].split()
            assert len(words) in {0, len(distribution.FAMILIES)}, line


def test_garbage_for_os_release_is_an_unknown_system(tmp_path: Path) -> None:
    """And so is none."""
    assert distribution.read(tmp_path).family is None
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_bytes(b'ID="debian\nNAME\n\xff=\xff\n')
    assert "debian" in distribution.read(tmp_path).name


def bootstrapped(root: Path, programs: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a copy of bootstrap.sh on a host with only these programs, up to the virtual environment."""
    checkout, bin_ = root / "checkout", root / "bin"
    (checkout / "provision" / "host").mkdir(parents=True)
    bin_.mkdir()
    for path in (PROVISION / "host").iterdir():
        (checkout / "provision" / "host" / path.name).write_bytes(path.read_bytes())
        (checkout / "provision" / "host" / path.name).chmod(0o755)
    for name in ("requirements.txt", "requirements-build.txt", "requirements-dev.txt", "pyproject.toml"):
        (checkout / name).write_bytes((PROJECT / name).read_bytes())
    for name, text in programs.items():
        (bin_ / name).write_text(f"#!/bin/sh\n{text}\n")
        (bin_ / name).chmod(0o755)
    for name in ("awk", "cat", "cut", "dirname", "id", "sed", "sha256sum"):
        (bin_ / name).symlink_to(
            next(path for path in ("/usr/bin", "/bin") if (Path(path) / name).exists()) + f"/{name}"
        )
    return subprocess.run(
        ["/bin/sh", str(checkout / "provision" / "host" / "bootstrap.sh")],
        env={"PATH": str(bin_), "OS_RELEASE": str(root / "etc" / "os-release"), "PYTHON": str(bin_ / "python")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="sudo would ask for a password")
@pytest.mark.parametrize("name", RELEASES)
def test_bootstrap_asks_the_hosts_package_manager_for_its_python(root_of: MakeRoot, name: str) -> None:
    """The same line of the same table as Python reads; then it ends, since the Python found is too old."""
    root = root_of(name)
    says = 'echo "$(basename "$0" 2>/dev/null || echo "${0##*/}") $*" >&2'
    managers = dict.fromkeys(("apt-get", "dnf", "zypper", "env"), says)
    done = bootstrapped(root, {**managers, "rpm": "exit 1", "dpkg-query": "exit 1", "python": "exit 1"})
    host = distribution.read(root)

    assert done.returncode == 3
    assert "not Python 3.11 or newer" in done.stderr
    if host.family is None:
        assert "not known" in done.stderr
        return
    assert done.stdout == f"installing: {' '.join(host.python_packages)}\n"
    assert f"{EXPECTED[name][2]} " in done.stderr
    assert " ".join(host.python_packages) in done.stderr


NAMESPACES = {
    "nothing forbids it": ({}, None),
    "none at all": ({"proc/sys/user/max_user_namespaces": "0"}, "max_user_namespaces=10000"),
    "debian's old patch": ({"proc/sys/kernel/unprivileged_userns_clone": "0"}, "unprivileged_userns_clone=1"),
    "ubuntu": (
        {"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"},
        "apparmor_restrict_unprivileged_userns=0",
    ),
    "ubuntu with a profile": (
        {"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1", "etc/apparmor.d/mmdebstrap": "userns,"},
        None,
    ),
    "no subordinate users": ({"etc/subuid": "other:100000:65536\n"}, "usermod --add-subuids 100000-165535 learner"),
    "no subordinate groups": ({"etc/subgid": ""}, "usermod --add-subgids 100000-165535 learner"),
    "garbage": ({"proc/sys/user/max_user_namespaces": "x", "etc/subuid": "a:b\nlearner:1:2\n"}, None),
}


@pytest.mark.parametrize("what", NAMESPACES)
def test_what_forbids_user_namespaces_is_named_with_the_command_that_allows_them(tmp_path: Path, what: str) -> None:
    """For an ordinary user; every sentence also has the way without."""
    files, expected = NAMESPACES[what]
    for name, content in {"etc/subuid": "learner:1:65536\n", "etc/subgid": "learner:1:65536\n", **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    problem = namespaces.problem(tmp_path, "learner")

    if expected is None:
        assert problem is None
    else:
        assert problem is not None
        assert expected in problem
        assert "lab image import" in problem


def test_no_advice_names_apt_on_a_host_without_it() -> None:
    """Hints are made of the tables; a line that installs packages stands nowhere else in the code."""
    found = [
        f"{path.relative_to(PROJECT)}: {line.strip()}"
        for path in (PROJECT / "lab").rglob("*.py")
        for line in path.read_text().splitlines()
        if "apt-get install" in line
    ]
    assert found == []
