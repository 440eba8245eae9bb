"""The verbs for stored runs: what is listed, named, removed, repaired, and handed to a colleague."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from lab.foundation.files import locked
from lab.foundation.work import Work
from lab.runs.run import RUN
from tests import stored_runs
from tests.command_line import lab
from tests.stored_runs import Stored

NAMES = ("old-nfqueue", "new-nfqueue", "old-baseline")


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    """Return a lab with one run of recorded trials."""
    stored = stored_runs.at(tmp_path / "lab")
    stored.run(NAMES)
    return stored


def only(stored: Stored) -> Path:
    """Return the directory of the only run."""
    (path,) = stored.store.directories()
    return path


def document(home: Path, *arguments: str, status: int = 0) -> Any:  # noqa: ANN401  as json.loads has it
    """Return what a command prints as JSON."""
    done = lab(home, *arguments, "--json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def damage(run: Path, kept: int = 700) -> bytes:
    """Cut a run's description off, as a full disk does; gives what it was."""
    whole = (run / RUN).read_bytes()
    (run / RUN).write_bytes(whole[:kept])
    return whole


def test_the_list_names_machines_scenarios_trials_and_size(stored: Stored) -> None:
    """A line each, and the same as JSON."""
    path = only(stored)
    (run,) = document(stored.home, "runs", "list")["runs"]
    text = lab(stored.home, "runs", "list", COLUMNS="120").stdout

    assert (run["run"], run["machines"], run["trials"]) == (path.name, ["old", "new"], 6)
    assert run["scenarios"] == ["nfqueue", "baseline"]
    assert run["bytes"] == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert not run["damaged"]
    assert path.name in text
    assert "old, new" in text


@pytest.mark.parametrize("columns", ["40", "80", "120"])
def test_the_list_keeps_every_figure_however_narrow(stored: Stored, columns: str) -> None:
    """Nothing is cut off on a narrow terminal."""
    done = lab(stored.home, "runs", "list", COLUMNS=columns)

    assert only(stored).name in re.sub(r"\s", "", done.stdout)
    assert max(len(line) for line in done.stdout.splitlines()) <= int(columns)


def test_a_lab_without_runs_lists_none_and_names_the_next_command(tmp_path: Path) -> None:
    """An empty lab is no error."""
    assert "lab run --help" in lab(tmp_path, "runs", "list").stdout
    assert document(tmp_path, "runs", "list")["runs"] == []


@pytest.mark.parametrize("command", [["compare"], ["show"], ["report", "-o", "out.html"]])
def test_a_run_is_named_whole_by_its_beginning_or_as_the_newest(stored: Stored, command: list[str]) -> None:
    """Every verb that reads runs takes the same names."""
    run = only(stored).name
    printed = {lab(stored.home, *_at(command, stored.home), "--run", name).stdout for name in (run, run[:12], "newest")}

    assert len(printed) == 1
    assert printed.pop()
    near = lab(stored.home, *_at(command, stored.home), "--run", run[:-2] + "xZ")
    assert near.returncode == 2
    assert f"did you mean '{run}'?" in near.stderr


def _at(command: list[str], home: Path) -> list[str]:
    return [str(home / word) if word.endswith(".html") else word for word in command]


def test_the_beginning_of_several_names_is_refused_with_the_names(stored: Stored) -> None:
    """No run is chosen by guessing."""
    stored.run(("old-baseline",))
    done = lab(stored.home, "compare", "--run", "2")

    assert done.returncode == 2
    assert all(path.name in done.stderr for path in stored.store.directories())


def test_show_takes_the_run_before_or_behind_the_trial(stored: Stored) -> None:
    """The older spelling stays."""
    run = only(stored).name
    printed = [
        lab(stored.home, "show", *words, COLUMNS="120").stdout
        for words in ((run, "old/nfqueue/2"), ("old/nfqueue/2", "--run", run), ("old/nfqueue/2",))
    ]

    assert "0 (NF_DROP)" in printed[0]
    assert printed[1:] == [printed[0]] * 2
    assert lab(stored.home, "show", run, "--run", run).returncode == 2


def test_each_verb_for_a_run_takes_it_as_an_option_or_an_argument_and_by_default_the_newest(stored: Stored) -> None:
    """One habit for all; two different runs are refused."""
    run = only(stored).name
    for verb in (("runs", "show"), ("runs", "repair"), ("runs", "export", "-o", str(stored.home / "one.tar.gz"))):
        ways = [lab(stored.home, *verb, *words) for words in ((), (run,), ("--run", run[:8]), ("--run", "newest"))]
        assert {(done.returncode, done.stdout) for done in ways} == {(0, ways[0].stdout)}, verb
        assert run in ways[0].stdout
        assert lab(stored.home, *verb, run, "--run", "newest").returncode == 2
    assert lab(stored.home, "runs", "rm", "--yes", "--run", run).returncode == 0
    assert not list(stored.store.directories())


@pytest.mark.parametrize("command", [["compare"], ["show"], ["report", "-o", "out.html"], ["lesson", "--handout", "h"]])
def test_a_damaged_run_is_named_by_every_command_that_passes_it_over(stored: Stored, command: list[str]) -> None:
    """Its finished trials are not left out in silence."""
    damaged = only(stored)
    damaged.rename(damaged.with_name("20991231T235959Z"))
    damaged = only(stored)
    damage(damaged)
    whole = stored.run(("old-baseline",))
    done = lab(stored.home, *_at(command, stored.home))

    assert whole.id in done.stdout + done.stderr or command[0] != "show"
    lines = [line for line in done.stderr.splitlines() if damaged.name in line]
    assert len(lines) == 1, done.stderr
    assert "finished trials left out: 6" in lines[0]
    assert f"lab runs repair {damaged.name}" in lines[0]


def test_a_damaged_run_that_is_named_is_answered_with_the_command_that_mends_it(stored: Stored) -> None:
    """One error, and exit status 2."""
    run = only(stored)
    damage(run)
    done = lab(stored.home, "compare", "--run", run.name)

    assert done.returncode == 2
    assert f"lab runs repair {run.name}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_list_marks_a_damaged_run_and_counts_its_trials(stored: Stored) -> None:
    """Exit status 1, so that a script notices."""
    damage(only(stored))
    (run,) = document(stored.home, "runs", "list", status=1)["runs"]

    assert run["damaged"]
    assert run["trials"] == 6
    assert run["repair"] == f"lab runs repair {run['run']}"
    assert "damaged" in lab(stored.home, "runs", "list").stdout


def test_repair_brings_back_the_same_comparison(stored: Stored) -> None:
    """The description is rebuilt as it was, from what each cell keeps."""
    run = only(stored)
    before = lab(stored.home, "compare", "--json").stdout
    whole = damage(run, kept=0)
    mended = document(stored.home, "runs", "repair", run.name)

    assert (mended["was_damaged"], mended["trials"]) == (True, 6)
    assert mended["machines_not_known"] == mended["scenarios_not_known"] == []
    assert lab(stored.home, "compare", "--json").stdout == before
    rebuilt = json.loads((run / RUN).read_bytes())
    assert rebuilt == {**json.loads(whole), "finished": None}
    assert "not damaged" in lab(stored.home, "runs", "repair", run.name).stdout


def test_repair_refuses_what_another_version_of_the_lab_wrote(stored: Stored) -> None:
    """It is whole; to rebuild it would lose what this lab does not know of."""
    run = only(stored)
    newer = (run / RUN).read_text().replace('"schema_version": 1', '"schema_version": 7')
    (run / RUN).write_text(newer)
    done = lab(stored.home, "runs", "repair", run.name)

    assert done.returncode == 2
    assert "another version of the lab" in done.stderr
    assert (run / RUN).read_text() == newer


def test_a_run_is_removed_only_with_consent(stored: Stored) -> None:
    """Without a terminal that means --yes."""
    run = only(stored)
    refused = lab(stored.home, "runs", "rm", run.name)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert run.exists()

    removed = document(stored.home, "runs", "rm", run.name, "--yes")
    assert removed["removed"] == [run.name]
    assert removed["bytes"] > 0
    assert not any((stored.home / "runs").iterdir())


def test_only_old_runs_are_removed_by_age(stored: Stored) -> None:
    """The age is the run's, not its files'."""
    new = only(stored)
    old = stored.run(("old-baseline",))
    path = stored.store.path(old)
    description = json.loads((path / RUN).read_text()) | {"started": "2020-01-01T00:00:00Z"}
    (path / RUN).write_text(json.dumps(description))

    assert document(stored.home, "runs", "rm", "--older-than", "30d", "--yes")["removed"] == [old.id]
    assert document(stored.home, "runs", "rm", "--older-than", "30d", "--yes")["removed"] == []
    assert new.exists()
    assert lab(stored.home, "runs", "rm", "--older-than", "soon", "--yes").returncode == 2
    assert lab(stored.home, "runs", "rm", "--yes").returncode == 2


def test_a_run_that_trials_are_added_to_is_not_removed(stored: Stored) -> None:
    """Its machine is in use by another command."""
    run = only(stored)
    description = json.loads((run / RUN).read_text()) | {"finished": None}
    (run / RUN).write_text(json.dumps(description))
    lock = stored.home / "machines" / "old.lock"
    lock.parent.mkdir()
    with locked(lock, "old", Work()):
        done = lab(stored.home, "runs", "rm", run.name, "--yes")

    assert done.returncode == 3
    assert "in use" in done.stderr
    assert run.exists()


@pytest.mark.parametrize("suffix", [".tar.zst", ".tar.gz"])
def test_an_exported_run_is_imported_with_the_same_output(stored: Stored, tmp_path: Path, suffix: str) -> None:
    """Table, lifelines and report are equal byte for byte, but for paths."""
    archive = tmp_path / f"run{suffix}"
    exported = document(stored.home, "runs", "export", "newest", "-o", str(archive))
    elsewhere = tmp_path / "own"  # as long a name as the other lab's, so that lines are broken alike
    imported = document(elsewhere, "runs", "import", str(archive))

    assert exported["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert (imported["run"], imported["new"], imported["trials"]) == (only(stored).name, True, 6)
    page = tmp_path / "page.html"
    for command in (["compare"], ["compare", "--json"], ["show", "old/nfqueue/2"], ["show", "old/nfqueue/2", "--json"]):
        here, there = (lab(home, *command).stdout for home in (stored.home, elsewhere))
        assert there.replace(str(elsewhere), str(stored.home)) == here, command
    pages = []
    for home in (stored.home, elsewhere):
        assert lab(home, "report", "-o", str(page)).returncode == 0
        pages.append(page.read_bytes().replace(str(home).encode(), b""))
    assert pages[0] == pages[1]


def test_the_same_run_makes_the_same_archive(stored: Stored, tmp_path: Path) -> None:
    """Whatever the files' dates are, and wherever it was exported."""
    archives = [tmp_path / "one.tar.zst", tmp_path / "two.tar.zst", tmp_path / "three.tar.zst"]
    digests = [document(stored.home, "runs", "export", "-o", str(archives[0]))["sha256"]]
    for path in only(stored).rglob("*"):
        os.utime(path, (0, 0))
    digests.append(document(stored.home, "runs", "export", "-o", str(archives[1]))["sha256"])
    document(tmp_path / "elsewhere", "runs", "import", str(archives[0]))
    digests.append(document(tmp_path / "elsewhere", "runs", "export", "-o", str(archives[2]))["sha256"])

    assert len(set(digests)) == 1


def test_an_import_never_changes_a_stored_run(stored: Stored, tmp_path: Path) -> None:
    """The same run is left as it is, another one of that name is refused."""
    archive = tmp_path / "run.tar.zst"
    document(stored.home, "runs", "export", "-o", str(archive))
    again = document(stored.home, "runs", "import", str(archive))
    assert again["new"] is False

    own = only(stored) / "old" / "nfqueue" / "0001" / "client.json"
    own.write_text("{}")
    done = lab(stored.home, "runs", "import", str(archive))
    assert done.returncode == 2
    assert "is stored already, and differs" in done.stderr
    assert own.read_text() == "{}"
    assert [path.name for path in (stored.home / "runs").iterdir()] == [only(stored).name]


def test_a_damaged_run_is_not_exported(stored: Stored, tmp_path: Path) -> None:
    """A colleague would not be able to read it."""
    damage(only(stored))
    archive = tmp_path / "run.tar.zst"
    done = lab(stored.home, "runs", "export", "-o", str(archive))

    assert done.returncode == 2
    assert "lab runs repair" in done.stderr
    assert not archive.exists()


def test_an_archive_with_another_suffix_is_refused(stored: Stored, tmp_path: Path) -> None:
    """The suffix says how it is compressed."""
    done = lab(stored.home, "runs", "export", "-o", str(tmp_path / "run.zip"))

    assert done.returncode == 2
    assert ".tar.zst" in done.stderr


def test_a_link_in_a_trial_is_neither_read_nor_exported(stored: Stored, tmp_path: Path) -> None:
    """A link may lead to a private file, or to a pipe that never ends."""
    secret = tmp_path / "secret"
    secret.write_text("SECRET=1\n")
    trial = only(stored) / "old" / "nfqueue" / "0002"
    for name in ("dmesg", "client.strace"):
        (trial / name).unlink()
        (trial / name).symlink_to(secret)
    (trial / "stat.before").unlink()
    os.mkfifo(trial / "stat.before")
    (only(stored) / "old" / "linked").symlink_to(tmp_path)
    shown = lab(stored.home, "show", "old/nfqueue/2", "--json")
    raw = lab(stored.home, "show", "old/nfqueue/2", "--raw", "dmesg")
    archive = tmp_path / "run.tar.gz"
    exported = document(stored.home, "runs", "export", "-o", str(archive))

    assert shown.returncode == 0, shown.stderr
    assert "which is not followed" in json.loads(shown.stdout)["sources"]["queued"]
    assert raw.returncode == 2
    assert "SECRET" not in shown.stdout + raw.stdout + raw.stderr
    assert sorted(exported["left_out"]) == [
        "old/linked",
        "old/nfqueue/0002/client.strace",
        "old/nfqueue/0002/dmesg",
        "old/nfqueue/0002/stat.before",
    ]
    assert document(tmp_path / "elsewhere", "runs", "import", str(archive))["trials"] == 6
