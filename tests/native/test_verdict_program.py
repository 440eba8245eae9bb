"""The verdict program on the host: its build and its command line. What it does to packets is tested in guests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from lab.home import PROVISION


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build user.out apart from the sources, warnings being errors."""
    directory = tmp_path_factory.mktemp("verdict")
    shutil.copytree(PROVISION / "verdict", directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.out"))
    subprocess.run(["make", "-s", "-C", directory], check=True)
    return directory / "user.out"


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=10, check=False)


def test_help_names_every_option(program: Path) -> None:
    """People learn the options from it, and when the program is ready."""
    told = run(program, "--help")

    assert told.returncode == 0
    for option in (
        "--queue",
        "--hold-packets",
        "--hold-ms",
        "--queue-packets",
        "--fail-open",
        "--log",
        "--help",
        "--version",
        "nfnetlink_queue",
    ):
        assert option in told.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--queue", "65536"],
        ["--queue", "x"],
        ["--queue", ""],
        ["--hold-packets", "0"],
        ["--hold-packets", "1025"],
        ["--hold-ms", "-1"],
        ["--queue-packets", "0"],
        ["--fail-open=yes"],
        ["--hold-ms", "99999999999999999999"],
        ["--nonsense"],
        ["word"],
    ],
)
def test_bad_usage_is_one_line_and_exit_status_2(program: Path, arguments: list[str]) -> None:
    """A bad number must never be taken for another one."""
    told = run(program, *arguments)

    assert told.returncode == 2
    assert len(told.stderr.splitlines()) == 1
    assert told.stdout == ""


def test_a_log_that_cannot_be_opened_is_one_line_and_exit_status_3(program: Path) -> None:
    """Without its log the program would leave no evidence, so it does not start."""
    told = run(program, "--log", "/nonexistent/log")

    assert told.returncode == 3
    assert "/nonexistent/log" in told.stderr


def test_without_root_it_says_that_it_needs_root(program: Path) -> None:
    """The kernel's bare EPERM would not tell a tired person what to do."""
    give_up = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        copy = shutil.copy(program, directory)
        told = subprocess.run([*give_up, copy], capture_output=True, text=True, timeout=10, check=False)

    assert told.returncode == 3
    assert "root" in told.stderr
