"""Verdicts that are kept beside trials are those that judging gives, and are never believed when they may not be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.scenario import Scenario
from lab.foundation.home import PROJECT, SCENARIOS
from lab.judgement import judge_digest, judged, kept
from lab.judgement.judged import judge_cell, judge_trial
from lab.judgement.outcome import Verdict
from lab.runs import pack
from tests import stored_runs
from tests.unit.test_recorded_evidence import DIRECTORIES, EVIDENCE


def scenario(name: str = "nfqueue") -> Scenario:
    """Return a scenario of the catalogue."""
    return find.scenarios(SCENARIOS, [name])[0]


def cell(run: Path, name: str, directory: Path = EVIDENCE / "real-kernels" / "el70" / "nfqueue" / "0001") -> Path:
    """Store one recorded trial in a separate run, and return the trial's directory."""
    trial = run / "old" / name / "0001"
    trial.parent.mkdir(parents=True)
    shutil.copytree(directory, trial)
    return trial


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were written just now count as settled; the test of that sets it back."""
    monkeypatch.setattr(kept, "SETTLED_NS", 0)


@pytest.fixture
def judging(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the directories of the trials that are judged from now on."""
    directories: list[Path] = []

    def noted(directory: Path, of: Scenario) -> judged.JudgedTrial:
        directories.append(directory)
        return judge_trial(directory, of)

    monkeypatch.setattr(judged, "judge_trial", noted)
    return directories


def without_lifelines(directory: Path, of: Scenario) -> Verdict:
    """Return what judging gives."""
    return replace(judge_trial(directory, of).verdict, lifelines=())


@pytest.mark.parametrize(("directory", "name"), [(directory, name) for directory, name, _ in DIRECTORIES])
def test_all_recorded_trials_get_the_same_verdict_cold_warm_and_with_damage(
    directory: str, name: str, tmp_path: Path, judging: list[Path]
) -> None:
    """What is kept changes no result."""
    trial = cell(tmp_path / "run", name, EVIDENCE / directory)
    expected = without_lifelines(trial, scenario(name))
    file = trial.parent / kept.FILE

    assert judge_cell([trial], scenario(name)) == [expected]
    assert (len(judging), judge_cell([trial], scenario(name)), len(judging)) == (1, [expected], 1)

    content = file.read_bytes()
    for damaged in (b"", content[:-1], content + b" ", content.replace(b"false", b"true ", 1)[::-1], b"\xff" * 99):
        before = len(judging)
        file.write_bytes(damaged)
        assert judge_cell([trial], scenario(name)) == [expected]
        assert len(judging) == before + 1
    assert file.read_bytes() == content


def test_a_verdict_that_was_changed_in_the_file_is_not_believed(tmp_path: Path) -> None:
    """One bit of it is enough."""
    trial = cell(tmp_path / "run", "nfqueue")
    (expected,) = judge_cell([trial], scenario())
    file = trial.parent / kept.FILE
    content = file.read_bytes()
    assert b'"stalled"' in content
    file.write_bytes(content.replace(b'"stalled"', b'"healthy"'))

    assert judge_cell([trial], scenario()) == [expected]


@pytest.mark.parametrize("how", ["in place", "in place, dated back", "replaced", "added", "removed"])
def test_changed_evidence_is_judged_again(how: str, tmp_path: Path, judging: list[Path]) -> None:
    """Whatever was done to the trial's files, even where size and date stay the same."""
    trial = cell(tmp_path / "run", "nfqueue")
    judge_cell([trial], scenario())
    timing = trial / "client.json"
    status = timing.stat()
    changed = timing.read_bytes().replace(b"5.", b"0.")
    assert changed != timing.read_bytes()
    time.sleep(0.02)  # longer than a tick of the file system's clock
    if how.startswith("in place"):
        with timing.open("r+b") as file:
            file.write(changed)
        if how.endswith("dated back"):
            os.utime(timing, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif how == "replaced":
        other = trial / "other"
        other.write_bytes(changed)
        other.replace(timing)
    elif how == "added":
        (trial / "missing").write_text("")
    else:
        timing.unlink()
    judging.clear()

    assert judge_cell([trial], scenario()) == [without_lifelines(trial, scenario())]
    assert judging == [trial]


def test_what_was_written_just_now_is_not_kept(
    tmp_path: Path, judging: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next change could have the same time."""
    monkeypatch.setattr(kept, "SETTLED_NS", 3_600_000_000_000)
    trial = cell(tmp_path / "run", "nfqueue")
    judge_cell([trial], scenario())
    judge_cell([trial], scenario())

    assert judging == [trial, trial]
    assert not (trial.parent / kept.FILE).exists()


def test_another_judge_or_scenario_judges_again(
    tmp_path: Path, judging: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict is that of its judge."""
    trial = cell(tmp_path / "run", "nfqueue")
    judge_cell([trial], scenario())
    judge_cell([trial], scenario().model_copy(update={"arms": False}))
    assert len(judging) == 2
    judge_cell([trial], scenario())
    monkeypatch.setattr(judge_digest, "digest", lambda: "another")
    judge_cell([trial], scenario())
    assert len(judging) == 4


def test_the_judges_digest_covers_everything_that_judging_imports() -> None:
    """A changed source that has a say in verdicts must change it."""
    program = (
        "import sys; before = set(sys.modules); import lab.judgement.verdict, lab.evidence.trial; "
        "print(*(name for name in set(sys.modules) - before if name.startswith('lab.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert {name.split(".")[1] for name in done.stdout.split()} <= set(judge_digest.PACKAGES)


@pytest.mark.parametrize("linked", ["run", "machine", "cell"])
def test_below_a_link_nothing_is_written_or_believed(linked: str, tmp_path: Path, judging: list[Path]) -> None:
    """What it leads to is someone else's."""
    trial = cell(tmp_path / "other" / "run", "nfqueue")
    depth = {"cell": 1, "machine": 2, "run": 3}[linked]
    target = Path(*trial.parts[: len(trial.parts) - depth])
    link = tmp_path / "runs" / Path(*trial.parts[len(tmp_path.parts) + 1 : len(trial.parts) - depth])
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    seen = link / Path(*trial.parts[len(target.parts) :])

    for _ in range(2):
        judge_cell([seen], scenario())
    assert judging == [seen, seen]
    assert not (trial.parent / kept.FILE).exists()


def test_a_link_in_its_place_is_replaced_not_followed(tmp_path: Path) -> None:
    """Whatever it leads to stays as it is."""
    trial = cell(tmp_path / "run", "nfqueue")
    target = tmp_path / "precious"
    target.write_text("precious")
    (trial.parent / kept.FILE).symlink_to(target)
    judge_cell([trial], scenario())

    assert target.read_text() == "precious"
    assert not (trial.parent / kept.FILE).is_symlink()


def test_only_the_trials_that_there_are_are_kept(tmp_path: Path) -> None:
    """It does not grow with what was removed."""
    first = cell(tmp_path / "run", "nfqueue")
    second = first.with_name("0002")
    shutil.copytree(first, second)
    judge_cell([first, second], scenario())
    file = first.parent / kept.FILE
    size = file.stat().st_size
    shutil.rmtree(second)
    judge_cell([first], scenario())

    assert file.stat().st_size < size


def test_an_archive_and_a_merged_run_have_none_of_it(tmp_path: Path) -> None:
    """Verdicts are recomputed by who gets a run."""
    stored = stored_runs.at(tmp_path / "home")
    run = stored.run(("old-nfqueue",))
    judge_cell(stored.store.trials(run, "old", "nfqueue"), run.scenarios["nfqueue"])
    directory = stored.store.path(run)
    assert list(directory.rglob(kept.FILE))

    packed = pack.pack(directory, run, tmp_path / "run.tar.gz")
    merged = stored.store.merge([directory])

    assert packed.left_out == ()
    assert packed.files == sum(path.is_file() and path.name != kept.FILE for path in directory.rglob("*"))
    assert not list(stored.store.path(merged).rglob(kept.FILE))
