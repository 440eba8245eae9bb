"""The program that makes a check's trials: its build and its command line. What it does is tested beside this."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.checking import program as check_program
from lab.home import Home
from lab.work import Work


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it as `lab check` does, warnings being errors."""
    place = tmp_path_factory.mktemp("check")
    return check_program.built(Home(place, place, place), Work())


def run(program: Path, *arguments: str, **more: int) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30, check=False, **more)  # type: ignore[call-overload, no-any-return]


def test_it_is_built_once_and_leaves_nothing_else(program: Path) -> None:
    """A program of the same sources is there already; what it was built in is gone."""
    place = program.parent
    before = program.stat().st_mtime_ns
    (place / "check-of-older-sources").touch()

    assert check_program.built(Home(place.parent, place, place), Work()) == program
    assert program.stat().st_mtime_ns == before
    assert {path.name for path in place.iterdir()} >= {program.name, "build.log"}
    assert not list(place.glob(".building-*"))


def test_it_needs_no_library_of_the_machine_that_it_runs_on(program: Path) -> None:
    """It goes to machines whose C library nobody knows."""
    headers = subprocess.run(["readelf", "--program-headers", program], capture_output=True, text=True, check=True)

    assert "INTERP" not in headers.stdout
    assert program.stat().st_size < 1_000_000


def test_help_names_every_option(program: Path) -> None:
    """Who finds it on a machine learns from it what it does."""
    told = run(program, "--help")

    assert told.returncode == 0
    for option in ("--rule", "--trials", "--again", "--modules", "--remove", "--help", "--version"):
        assert option in told.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--rule", "ebtables"],
        ["--rule", "nftables", "--trials", "0"],
        ["--rule", "nftables", "--trials", "33"],
        ["--rule", "nftables", "--trials", "2", "--again", "3"],
        ["--rule", "nftables", "--modules", "../evil"],
        ["--rule", "nftables", "--modules", " ".join(f"m{number}" for number in range(65))],
        ["--rule", "nftables", "more"],
    ],
)
def test_bad_usage_is_one_line_and_exit_status_2(program: Path, arguments: list[str]) -> None:
    """Nothing is done, and nothing is loaded, before all is understood."""
    told = run(program, *arguments)

    assert told.returncode == 2
    assert told.stdout == ""
    assert len(told.stderr.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_without_root_it_says_that_it_needs_root(program: Path) -> None:
    """It does not try, and so does not fail half-way."""
    told = subprocess.run(
        [f"/proc/self/fd/{os.open(program, os.O_RDONLY)}", "--rule", "nftables"],
        capture_output=True,
        text=True,
        check=False,
        user=65534,
        close_fds=False,
        timeout=30,
    )

    assert (told.returncode, told.stderr) == (3, "check: this needs root\n")
