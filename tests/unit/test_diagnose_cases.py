"""`lab diagnose` on tests/evidence/diagnose-cases: files in the form in which users bring them.

Each case has `expected.txt` for people and `expected.json` for this test: the files of each run, the correct answers
and causes, and phrases that must, or must not, be in the terminal output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command_line import lab

CASES = Path(__file__).parents[1] / "evidence" / "diagnose-cases"


@dataclass(frozen=True)
class Run:
    """One command on a case and its required answer.

    Attributes:
        files: The named files, in the directory of the case.
        answers: Correct answers; none where no file can be read.
        certain: Whether the answer is certain.
        says: Phrases that the terminal must show.
        never: Phrases that it must not show.
        status: The exit status.
        causes: Correct causes; None where any is correct.
        stdin: The file that is piped in; None for none.
    """

    files: tuple[str, ...]
    answers: tuple[str, ...]
    certain: bool
    says: tuple[str, ...]
    never: tuple[str, ...]
    status: int
    causes: tuple[str, ...] | None = None
    stdin: str | None = None


RUNS = {
    f"{path.parent.name}/{number}": Run(**run)
    for path in sorted(CASES.glob("*/expected.json"))
    for number, run in enumerate(json.loads(path.read_text()), 1)
}


def diagnosed(name: str, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command of a case."""
    case, run = CASES / name.partition("/")[0], RUNS[name]
    if run.stdin is None:
        paths = [str((case / file).resolve()) for file in run.files]
        return lab(home, "diagnose", "--quiet", *options, *paths, COLUMNS="2000")
    return subprocess.run(
        [sys.executable, "-m", "lab", "diagnose", "--quiet", *options, *run.files],
        env={**os.environ, "LAB_HOME": str(home), "COLUMNS": "2000"},
        input=(case / run.stdin).read_text(),
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_every_case_is_tried() -> None:
    """A case without an expectation would prove nothing."""
    assert {path.name for path in CASES.iterdir() if path.is_dir()} == {name.partition("/")[0] for name in RUNS}


@pytest.mark.parametrize("name", RUNS)
def test_each_case_gets_its_expected_answer(tmp_path: Path, name: str) -> None:
    """Common inputs were once refused or attributed to another cause."""
    run, home = RUNS[name], tmp_path / "home"

    output = diagnosed(name, home)

    assert output.returncode == run.status, output.stdout + output.stderr
    everything = " ".join((output.stdout + output.stderr).split()).lower()
    assert [phrase for phrase in run.says if phrase.lower() not in everything] == [], output.stdout
    assert [phrase for phrase in run.never if phrase.lower() in everything] == []
    if run.answers:
        document = json.loads(diagnosed(name, home, "--json").stdout)
        assert document["answer"] in run.answers
        assert document["certain"] is run.certain
        assert run.causes is None or document["cause"] in run.causes
    assert not home.exists()
