"""`lab setup` with this machine's own apt and dpkg, in a package database of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.foundation import distribution

HOST = distribution.read()
WANTED = [*HOST.python_packages, *HOST.packages(HOST.wanted)[0]]


def setup(home: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `lab setup`."""
    own = {"LAB_HOME": str(home / "lab"), **environment}
    command = [sys.executable, "-m", "lab", "setup", *options]
    return subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, check=False)


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a host on which no package is installed and one repository has those of the list.

    Its apt only simulates: this is the real one, and it would install.
    """
    database, repository = tmp_path / "dpkg", tmp_path / "repository"
    for directory in (database, repository, tmp_path / "lists/partial", tmp_path / "cache/archives/partial"):
        directory.mkdir(parents=True)
    (database / "status").touch()
    stanza = "Package: {}\nVersion: 1\nArchitecture: all\nFilename: none.deb\nSize: 1\n"
    (repository / "Packages").write_text("\n".join(map(stanza.format, WANTED)))
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] file:{repository} ./\n")
    (tmp_path / "apt.conf").write_text(
        'APT::Get::Simulate "true";\nAPT::Sandbox::User "";\n'
        f'Dir::State::status "{database}/status";\nDir::State::lists "{tmp_path}/lists";\n'
        f'Dir::Cache "{tmp_path}/cache";\nDir::Etc::sourcelist "{tmp_path}/sources.list";\n'
        'Dir::Etc::sourceparts "/dev/null";\nDir::Etc::preferencesparts "/dev/null";\n'
    )
    return {"DPKG_ADMINDIR": str(database), "APT_CONFIG": str(tmp_path / "apt.conf")}


def test_what_is_missing_is_listed_and_nothing_is_done(tmp_path: Path, bare: dict[str, str]) -> None:
    """A user sees the commands before anything is changed."""
    done = setup(tmp_path, "--dry-run", "--json", **bare)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["missing"], found["done"]) == (WANTED, False)
    assert found["commands"][-1].endswith(f"--no-install-recommends {' '.join(WANTED)}")
    assert done.stderr == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="sudo would ask for a password")
def test_apt_is_asked_to_install_every_package_that_is_missing(tmp_path: Path, bare: dict[str, str]) -> None:
    """The commands are such as apt takes, and what it prints does not get into the result."""
    done = setup(tmp_path, "--json", **bare)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] is True
    assert [f"Inst {package} " in done.stderr for package in WANTED] == [True] * len(WANTED)


@pytest.mark.skipif(os.geteuid() != 0, reason="sudo would ask for a password")
def test_a_package_that_apt_does_not_have_ends_with_one_line(tmp_path: Path, bare: dict[str, str]) -> None:
    """Apt says why; the lab names the command that failed."""
    (tmp_path / "repository" / "Packages").write_text("")
    done = setup(tmp_path, **bare)

    assert done.returncode == 3
    assert "apt-get install" in done.stderr.splitlines()[-2]
    assert "Traceback" not in done.stderr


def test_a_host_without_its_package_manager_gets_one_clear_line(tmp_path: Path) -> None:
    """And the way without: the container."""
    done = setup(tmp_path, PATH="/nonexistent")

    assert done.returncode == 3
    assert "dpkg-query is not installed" in done.stderr
    assert "container" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root needs no sudo")
def test_sudo_keeps_the_proxies(tmp_path: Path, bare: dict[str, str]) -> None:
    """It would remove them otherwise."""
    done = setup(tmp_path, "--dry-run", "--json", **bare, http_proxy="http://127.0.0.1:9")
    assert all("--preserve-env=http_proxy " in command for command in json.loads(done.stdout)["commands"])
