"""`lab completion`: the script of each shell, and what the lab answers it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.cli.completion import SHELLS
from tests.command_line import lab


def completed(home: Path, *words: str) -> list[str]:
    """Return what bash would offer for the last word."""
    result = lab(home, _LAB_COMPLETE="bash_complete", COMP_WORDS=" ".join(["lab", *words]), COMP_CWORD=str(len(words)))
    assert result.stderr == ""
    return [line.partition(",")[2] for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ru"], ["run", "runs"]),
        (["kernel", "a"], ["add"]),
        (["up", "ol"], ["old"]),
        (["ssh", "to"], ["today"]),
        (["logs", "n"], ["new"]),
        (["run", "old", "-s", "nfqueue-c-"], ["nfqueue-c-ares"]),
        (["run", "--evi"], ["--evidence"]),
        (["list", "sc"], ["scenarios"]),
        (["completion", "z"], ["zsh"]),
    ],
)
def test_verbs_options_machines_and_scenarios_are_completed(
    tmp_path: Path, words: list[str], offered: list[str]
) -> None:
    """By their beginning; nothing is written."""
    assert completed(tmp_path / "home", *words) == offered
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_a_script_that_it_can_read(tmp_path: Path, shell: str) -> None:
    """It asks the lab by the variable that the lab answers."""
    result = lab(tmp_path, "completion", shell)

    assert (result.returncode, result.stderr) == (0, "")
    assert f"_LAB_COMPLETE={shell}_complete" in result.stdout
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=result.stdout, text=True, check=True)


def test_completing_a_verb_loads_no_verb() -> None:
    """A shell waits for it at each press of the key."""
    program = (
        "import sys, click; from lab.cli.main import cli; "
        "print(*(item.value for item in cli.shell_complete(click.Context(cli), 'ru')), 'lab.cli.trials' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "run runs False\n"
