"""Standard output that cannot be encoded, is full, or has lost its reader: no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.cli.streams import CLOSED_PIPE
from tests import stored_runs
from tests.stored_runs import MACHINES, RECORDED, Stored

COMMANDS = (
    ("status",),
    ("kernel", "known"),
    ("runs", "list"),
    ("compare",),
    ("show", "old/nfqueue/2"),
    ("diagnose", str(RECORDED / "old-nfqueue" / "client.pcap")),
    ("report", "--json"),
    ("mystery", "--list"),
    ("--help",),
)

commands = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Return a lab with a run of a kernel with a Chinese name."""
    stored = stored_runs.at(tmp_path_factory.mktemp("streams"))
    machines = {name: machine.model_copy(update={"kernel": "内核\U0001f427"}) for name, machine in MACHINES.items()}
    stored.run(("old-nfqueue", "new-nfqueue"), as_if=machines)
    return stored


def run(stored: Stored, shell: str, command: tuple[str, ...], **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command line in a shell, where `"$@"` is the command."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(stored.home),
        "LAB_HOME": str(stored.home),
        "LAB_CACHE": str(stored.home / "cache"),
        "PYTHONPATH": str(Path(stored_runs.__file__).parents[1]),
        **variables,
    }
    return subprocess.run(
        ["bash", "-c", shell, "bash", sys.executable, "-m", "lab", *command],
        env=environment,
        cwd=stored.home,
        capture_output=True,
        check=False,
        timeout=120,
    )


@commands
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_characters_that_cannot_be_encoded_are_replaced(
    stored: Stored, command: tuple[str, ...], encoding: str
) -> None:
    """Tables, marks and Chinese, on a terminal or in a pipe."""
    result = run(stored, '"$@"', command, PYTHONIOENCODING=encoding, LAB_LANGUAGE="zh")

    assert result.returncode == 0, result.stderr
    assert b"Traceback" not in result.stderr
    assert ("\\u" in result.stdout.decode(encoding)) == (command[0] != "--help")  # which is plain ASCII
    if "--json" in command:
        json.loads(result.stdout)


def test_the_c_locale_is_no_error(stored: Stored) -> None:
    """Without Python's own choice of UTF-8 there."""
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = run(stored, '"$@"', ("compare",), **variables)

    assert (result.returncode, result.stderr) == (0, b"")
    assert rb"\u5185\u6838\U0001f427" in result.stdout


@commands
def test_a_full_disk_is_one_line_and_exit_status_3(stored: Stored, command: tuple[str, ...]) -> None:
    """Nothing follows from Python's own flush at exit."""
    result = run(stored, '"$@" >/dev/full', command, LANG="C.UTF-8")
    lines = [line for line in result.stderr.decode().splitlines() if not line.startswith(("✓", "  "))]

    assert result.returncode == 3
    assert lines == ["lab: the result cannot be written: No space left on device"]


@commands
def test_a_reader_that_has_gone_ends_the_command_in_silence(stored: Stored, command: tuple[str, ...]) -> None:
    """As SIGPIPE ends other programs."""
    quiet = "" if command[0] == "--help" else "--quiet"
    # The reader has ended before the command begins.
    result = run(stored, f'exec 3> >(:); wait $!; "$@" {quiet} >&3', command)

    assert (result.returncode, result.stderr) == (CLOSED_PIPE, b"")


def test_lost_progress_does_not_end_the_work(stored: Stored) -> None:
    """Standard error is full or closed, and the result is complete."""
    whole = run(stored, '"$@"', ("compare", "--json")).stdout
    for shell in ('"$@" 2>/dev/full', '"$@" 2>&-', 'exec 3> >(:); wait $!; "$@" 2>&3'):
        result = run(stored, shell, ("compare", "--json"))
        assert (result.returncode, result.stdout) == (0, whole), shell
    broken = run(stored, '"$@" 2>/dev/full', ("compare", "--run", "none"))
    assert broken.returncode == 2
    assert run(stored, '"$@" >&-', ("compare",)).returncode == 0


INTERRUPTED = """
import sys, time
from lab.cli import main

def interrupted(**_):
    sys.stdout.write("left in the buffer")
    time.sleep(0.5)
    raise KeyboardInterrupt

main.cli = interrupted
main.main()
"""


def test_output_left_after_ctrl_c_does_not_change_the_exit_status() -> None:
    """Python writes it once more at exit, where the reader has gone."""
    process = subprocess.run(
        ["bash", "-c", '"$@" | true; exit "${PIPESTATUS[0]}"', "bash", sys.executable, "-c", INTERRUPTED],
        cwd=Path(stored_runs.__file__).parents[1],
        capture_output=True,
        check=False,
        timeout=120,
    )

    assert (process.returncode, process.stderr) == (130, b"")
