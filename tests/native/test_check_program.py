"""The program that makes a check's trials: build and command line. The other files test what it does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.foundation.home import Home
from lab.foundation.work import Work
from lab.remote_check.program import CHECK, built
from tests.native.sent_program import build, is_static, run, run_without_root


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the program as `lab check` does, with warnings as errors."""
    return build(CHECK, tmp_path_factory.mktemp("check"))


def test_check_program_is_built_once_and_build_files_are_removed(program: Path) -> None:
    """A program built from the same sources is reused; the build directory is removed."""
    place = program.parent
    before = program.stat().st_mtime_ns
    (place / "check-of-older-sources").touch()

    assert built(Home(place.parent, place, place), Work()) == program
    assert program.stat().st_mtime_ns == before
    assert {path.name for path in place.iterdir()} >= {program.name, "build.log"}
    assert not list(place.glob(".building-*"))


def test_check_program_is_linked_statically(program: Path) -> None:
    """It is copied to machines whose C library is unknown."""
    assert is_static(program)
    assert program.stat().st_size < 1_000_000


def test_help_names_every_option(program: Path) -> None:
    """A user who finds the program on a machine learns from its help what it does."""
    result = run(program, "--help")

    assert result.returncode == 0
    for option in ("--rule", "--trials", "--again", "--dnat", "--modules", "--remove", "--help", "--version"):
        assert option in result.stdout


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
    """Nothing is done or loaded before all arguments are parsed."""
    result = run(program, *arguments)

    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_without_root_the_error_asks_for_root(program: Path) -> None:
    """The program does not start, so it does not fail half-way."""
    result = run_without_root(program, "--rule", "nftables")

    assert (result.returncode, result.stderr) == (3, "check: this needs root\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be in a namespace of processes")
def test_a_stale_note_with_a_reused_pid_does_not_block_trials(program: Path) -> None:
    """It counted as the note of a running check, and no trial was made. In a new namespace PIDs are known."""
    # The program is process 1 there; the process that loads modules is process 2.
    note, unfinished = Path("/run/five-second-lab-check.2"), Path("/run/.five-second-lab-check.3")
    note.write_text("module_that_does_not_exist\n")
    unfinished.touch()
    os.utime(unfinished, (0, 0))
    command = ["unshare", "--pid", "--mount-proc", "--fork", str(program), "--rule", "nftables", "--trials", "1"]
    try:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as check:
            # Standard input stays open: end of file would end the check.
            assert check.stderr is not None
            check.wait(timeout=60)
            errors = check.stderr.read().decode()
        leftovers = [path for path in (note, unfinished) if path.exists()]
    finally:
        note.unlink(missing_ok=True)
        unfinished.unlink(missing_ok=True)

    assert "module (unknown) cannot be loaded" not in errors
    assert leftovers == []
