"""The verdict program on the host: build and command line. Guest tests cover what it does to packets."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build user.out outside of the source directory, with warnings as errors."""
    directory = tmp_path_factory.mktemp("verdict")
    shutil.copytree(PROVISION / "verdict", directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.out"))
    subprocess.run(["make", "-s", "-C", directory], check=True, env=os.environ | {"CFLAGS": "-Werror"})
    return directory / "user.out"


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program until it ends."""
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=10, check=False)


def test_help_names_every_option(program: Path) -> None:
    """Help documents the options and how the program signals that it is ready."""
    result = run(program, "--help")

    assert result.returncode == 0
    for option in (
        "--queue",
        "--hold-packets",
        "--hold-ms",
        "--queue-packets",
        "--fail-open",
        "--work-ms",
        "--die-after",
        "--no-conntrack",
        "--lanes",
        "--log",
        "--help",
        "--version",
        "nfnetlink_queue",
    ):
        assert option in result.stdout


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
        ["--work-ms", "60001"],
        ["--die-after", "0"],
        ["--hold-ms", "99999999999999999999"],
        ["--lanes", "0-128", "--log", "{lane}"],
        ["--lanes", "2-1", "--log", "{lane}"],
        ["--lanes", "2", "--log", "{lane}"],
        ["--lanes", "0-1"],
        ["--nonsense"],
        ["word"],
    ],
)
def test_bad_usage_is_one_line_and_exit_status_2(program: Path, arguments: list[str]) -> None:
    """A bad number must never be taken for another one."""
    result = run(program, *arguments)

    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_a_log_that_cannot_be_opened_is_one_line_and_exit_status_3(program: Path) -> None:
    """Without its log the program would leave no evidence, so it does not start."""
    result = run(program, "--log", "/nonexistent/log")

    assert result.returncode == 3
    assert "/nonexistent/log" in result.stderr


def test_a_lane_that_does_not_exist_is_one_line_and_exit_status_3(program: Path) -> None:
    """With several lanes the first one that fails ends all."""
    for lanes in ("0-0", "0-2"):
        result = run(program, "--lanes", lanes, "--log", "/nonexistent/{lane}/log")

        assert result.returncode == 3
        assert "a lane cannot be served" in result.stderr


def test_without_root_the_error_asks_for_root(program: Path) -> None:
    """The kernel's bare EPERM would not tell a user what to do."""
    give_up = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        copy = shutil.copy(program, directory)
        result = subprocess.run([*give_up, copy], capture_output=True, text=True, timeout=10, check=False)

    assert result.returncode == 3
    assert "root" in result.stderr
