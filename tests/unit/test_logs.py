"""`lab logs`: a machine's steps and its console, on files as the lab and a guest write them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.foundation import log
from lab.foundation.work import Note, StepEnded, StepStarted, TrialEnded
from tests.command_line import lab


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a lab that has done something with two machines."""
    home = tmp_path / "home"
    write = log.to(home / "lab.log")
    for event in (
        StepStarted("booting", "old"),
        StepEnded("booting", "old", 2.1, "done"),
        StepEnded("booting", "new", 3.3, "done"),
        Note("its disk \x1b]0;forged\x07 is nearly full\nlab: forged", "old"),
        TrialEnded("old", "nfqueue", 1, 5, "stalled", 5.05),
    ):
        write(event)
    with (home / "lab.log").open("a") as file:
        file.write('{"time_s": 1, "event": "StepEnd')  # as a crash leaves it
    console = home / "machines" / "old" / "console.log"
    console.parent.mkdir(parents=True)
    console.write_bytes(b"\x1b[0;32mLinux version 6.1\x1b[0m\r\nlogin: \x07\xff\nunfinish")
    return home


def test_the_steps_of_one_machine_are_shown_in_order(home: Path) -> None:
    """With time, outcome and duration; those of other machines and the lab are not."""
    result = lab(home, "logs", "old")

    lines = [line[21:] for line in result.stdout.splitlines()]
    assert (result.returncode, result.stderr) == (0, "")
    assert lines[0] == "booting  done  2.10 s"
    assert lines[-1] == "nfqueue 1/5  stalled  5.05 s"
    assert len(lines) == 3
    assert "\x1b" not in result.stdout


def test_a_console_is_shown_without_what_controls_a_terminal(home: Path) -> None:
    """Whole colour sequences are left out, other control characters are replaced."""
    result = lab(home, "logs", "old", "--console")

    assert result.stdout == "Linux version 6.1\nlogin: ?\ufffd\n"


def test_only_the_last_lines_are_shown(home: Path) -> None:
    """As many as --lines says."""
    document = json.loads(lab(home, "logs", "old", "-n", "1", "--json").stdout)

    assert [line["text"] for line in document["lines"]] == ["nfqueue 1/5"]
    assert document["lines"][0]["outcome"] == "stalled"


def test_a_rotated_log_comes_first(home: Path) -> None:
    """A long run does not lose its begin."""
    (home / "lab.log").rename(home / "lab.log.1")
    log.to(home / "lab.log")(StepEnded("halting", "old", 1.0, "done"))

    shown = lab(home, "logs", "old").stdout.splitlines()
    assert "booting" in shown[0]
    assert "halting" in shown[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["logs", "odl"], "no machine is called 'odl'"),
        (["logs", "new", "--console"], "new has printed nothing on a console yet"),
        (["logs", "old", "--follow", "--json"], "--follow has no end"),
    ],
)
def test_what_has_no_log_is_refused(home: Path, arguments: list[str], message: str) -> None:
    """One line, exit status 2."""
    result = lab(home, *arguments)

    assert result.returncode == 2
    assert result.stderr.startswith(f"lab: {message}")


def test_new_lines_are_followed_until_ctrl_c(home: Path) -> None:
    """Also when the file is replaced by that of the next boot."""
    console = home / "machines" / "old" / "console.log"
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", "logs", "old", "--console", "--follow"],
        env={"LAB_HOME": str(home), "HOME": str(home), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        assert process.stdout.readline() == "Linux version 6.1\n"
        assert process.stdout.readline() == "login: ?\ufffd\n"
        with console.open("a") as file:
            file.write("ed line\n")
        assert process.stdout.readline() == "unfinished line\n"
        again = console.with_name("new")
        again.write_text("booted again\n")
        time.sleep(0.3)
        again.replace(console)
        assert process.stdout.readline() == "booted again\n"
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.close()
    try:
        assert process.wait(timeout=60) == 130
    finally:
        process.kill()
