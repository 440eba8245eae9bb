"""The trainer's kit, and what `lab doctor` found on a class's laptops."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.commands import doctor_collect
from lab.lesson import fields, mystery
from tests import stored_runs
from tests.command_line import lab
from tests.unit.classroom import Remembering
from tests.unit.test_lesson_walk import ON_OLD, held, session_with

FOLDER = "five-second-lab-class"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab with a lesson on recorded trials."""
    home = tmp_path_factory.mktemp("lab")
    held(session_with(home, old="old-nfqueue"), Remembering(), ON_OLD)
    return home


def test_a_kit_has_everything_a_trainer_hands_out_with_digests(home: Path, tmp_path: Path) -> None:
    """The digests are such as sha256sum checks."""
    path = tmp_path / "class.zip"
    result = lab(home, "kit", "-o", str(path), "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)

    pages = {"guide.html", "mysteries.html", "report.html"}
    pages |= {f"{edition}.{tag}.html" for edition in ("handout", "key") for tag in ("en", "zh")}
    assert {file["name"] for file in document["files"]} == pages
    assert {each.name for each in (tmp_path / FOLDER).iterdir()} == {*pages, "SHA256SUMS"}
    assert document["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [part["what"] for part in document["left_out"]] == ["the guest image"]
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path / FOLDER, check=True)
    handout, key = ((tmp_path / FOLDER / f"{edition}.en.html").read_text() for edition in ("handout", "key"))
    assert "☑" in key
    assert "☑" not in handout


def test_the_same_lab_makes_the_same_kit(home: Path, tmp_path: Path) -> None:
    """Byte for byte, so that two trainers can compare a digest."""
    for name in ("one.zip", "other.zip"):
        assert lab(home, "kit", "-o", str(tmp_path / name), "--quiet").returncode == 0
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()


def test_a_kit_of_an_empty_lab_names_what_it_lacks(tmp_path: Path) -> None:
    """With the command for each part; guide and incidents need no run."""
    result = lab(tmp_path / "lab", "kit", "-o", str(tmp_path / "class.zip"), "--json")
    document = json.loads(result.stdout)

    assert [file["name"] for file in document["files"]] == ["mysteries.html", "guide.html"]
    assert [part["command"] for part in document["left_out"]] == [
        "lab demo",
        "lab lesson --unattended",
        "lab kit --image",
    ]


def test_a_kit_is_a_zip(tmp_path: Path) -> None:
    """Another name is refused before anything is written."""
    result = lab(tmp_path, "kit", "-o", str(tmp_path / "class.tar"))
    assert result.returncode == 2
    assert "class.zip" in result.stderr


def test_the_page_of_incidents_has_all_of_them_in_both_languages(tmp_path: Path) -> None:
    """With every tool and every place."""
    assert lab(tmp_path, "kit", "-o", str(tmp_path / "class.zip"), "--quiet").returncode == 0
    with zipfile.ZipFile(tmp_path / "class.zip") as archive:
        page = archive.read(f"{FOLDER}/mysteries.html").decode()
    incidents = mystery.find(mystery.OWN).values()

    assert page.count('class="tool"') == 2 * sum(len(incident.tool) for incident, _ in incidents)
    assert page.count('class="place"') == 2 * sum(len(incident.place) for incident, _ in incidents)
    assert page.count('data-right="yes"') == 2 * len(incidents)
    assert "<mark>" in page
    assert not any(f"{{{field}}}" in page for field in fields.NAMES), "a field was not filled in"


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Return the reports of three laptops: one is ready, one lacks a program, one file is garbage."""
    directory = tmp_path / "reports"
    directory.mkdir()
    ready = {"name": "memory", "ok": True, "needed": True, "found": "16000 MB free", "package": None}
    lacking = {"name": "cpio", "ok": False, "needed": True, "found": "not installed", "package": "cpio"}
    optional = {"name": "KVM", "ok": False, "needed": False, "found": "there is no /dev/kvm", "package": None}
    (directory / "a.json").write_text(json.dumps({"schema": 2, "checks": [ready, optional], "mend": ["optional"]}))
    (directory / "b.json").write_text(json.dumps({"schema": 2, "checks": [lacking], "mend": ["dnf install cpio"]}))
    (directory / "c.json").write_bytes(b'{"checks": "\x1b]0;')
    return directory


def test_what_doctor_found_on_many_machines_is_put_side_by_side(tmp_path: Path, reports: Path) -> None:
    """What is optional does not count; what cannot be read does."""
    result = lab(tmp_path, "doctor", "--collect", str(reports), "--json")
    assert result.returncode == 3
    machines = {machine["name"]: machine for machine in json.loads(result.stdout)["machines"]}

    assert [name for name, machine in machines.items() if machine["ready"]] == ["a"]
    assert machines["b"]["lacks"] == ["cpio: not installed"]
    assert machines["b"]["mend"] == ["dnf install cpio"]
    assert "no report" in machines["c"]["lacks"][0]

    text = lab(tmp_path, "doctor", "--collect", str(reports))
    assert "1 of 3 machines are ready" in text.stdout
    assert "dnf install cpio" in text.stdout


def test_a_directory_without_reports_is_bad_input(tmp_path: Path) -> None:
    """The hint says how one is made."""
    result = lab(tmp_path, "doctor", "--collect", str(tmp_path / "none"))
    assert result.returncode == 2
    assert "lab doctor --json" in result.stderr


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_garbage_for_a_report_is_a_machine_that_is_not_ready(tmp_path: Path, content: bytes) -> None:
    """Never a traceback."""
    (tmp_path / "x.json").write_bytes(content)
    (machine,) = doctor_collect.collect(tmp_path).data.machines
    assert not machine.ready


def test_recorded_runs_make_a_report_in_the_kit(tmp_path: Path) -> None:
    """Of the run that is named."""
    stored = stored_runs.at(tmp_path / "lab")
    older = stored.run(("old-nfqueue",))
    result = lab(stored.home, "kit", older.id, "-o", str(tmp_path / "class.zip"), "--quiet")
    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(tmp_path / "class.zip") as archive:
        assert older.id in archive.read(f"{FOLDER}/report.html").decode()
