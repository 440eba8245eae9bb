"""Kernels that a matrix selects by patterns: obtained if missing, and no failure affects the others."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from lab.commands import wanted_kernels
from lab.commands.matrix import CellMade, MatrixMade
from lab.commands.wanted_kernels import NotRun
from lab.foundation.errors import BadInput, Cancelled
from lab.foundation.home import Home
from lab.foundation.work import StepStarted, Work
from lab.kernels import add as kernels_add
from lab.kernels import by_name, known
from lab.kernels.source import Given
from lab.present.json.dispatch import text
from lab.present.text.dispatch import render
from lab.session.session import Session
from tests import kernels, vault
from tests.command_line import lab
from tests.vault import Web, serving

FAMILY = """
bases = ["{address}"]
packages = ["{{tag}}/kernel.rpm"]
checked = true
[key]
fingerprint = "{fingerprint}"
files = ["KEY"]
[[kernel]]
name = "mine:1"
release = "4.18.0-test.x86_64"
[[kernel]]
name = "mine:2"
release = "4.18.0-other.x86_64"
[[kernel]]
name = "mine:3"
release = "4.18.0-test.x86_64"
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Create a vault of three kernels: the second is missing, the third unsigned."""
    where = tmp_path_factory.mktemp("vault")
    with vault.signer("Vault <vault@example.com>") as signer:
        release = vault.release(where / "1")
        shutil.copytree(release, where / "3")
        signer.sign(release / "kernel.rpm")
        signer.export(where / "KEY")
        yield where, signer.fingerprint


@pytest.fixture
def web(files: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Serve the vault and register its kernels."""
    directory, fingerprint = files
    with serving(directory) as served:
        (tmp_path / "provision/kernels").mkdir(parents=True)
        text = FAMILY.format(address=served.address, fingerprint=fingerprint)
        (tmp_path / "provision/kernels/mine.toml").write_text(text)
        monkeypatch.setattr(wanted_kernels, "PROVISION", tmp_path / "provision")
        monkeypatch.delenv("LAB_VAULT", raising=False)
        yield served


def session(tmp_path: Path, work: Work | None = None) -> Session:
    """Begin a session in a separate lab."""
    return Session(Home(tmp_path / "lab", tmp_path / "cache", tmp_path / "config.toml"), work or Work())


def test_an_unavailable_kernel_is_listed_with_its_reason_and_others_are_added(web: Web, tmp_path: Path) -> None:
    """One is missing on the mirror, and one has unsigned packages."""
    with session(tmp_path) as lab_session:
        wanted = wanted_kernels.ensure(lab_session, ["mine:*"])

        assert wanted.names == ("mine-1",)
        assert lab_session.kernels.names() == ["mine-1"]
    reasons = {one.name: one.reason for one in wanted.not_run}
    assert reasons["mine:2"].startswith("its packages cannot be downloaded: 127.0.0.1")
    assert reasons["mine:2"].endswith("the server returned 404 Not Found")
    assert reasons["mine:3"].endswith("is rejected: it is not signed")
    assert "/2/kernel.rpm" not in [path for method, path, _ in web.asked if method == "GET"]


def test_existing_kernels_are_not_obtained_again(web: Web, tmp_path: Path) -> None:
    """A repeated matrix uses no network."""
    with session(tmp_path) as lab_session:
        wanted_kernels.ensure(lab_session, ["mine:1"])
        web.asked.clear()
        assert wanted_kernels.ensure(lab_session, ["mine:1", "mine:[1]"]).names == ("mine-1",)
    assert web.asked == []


def test_a_known_kernel_under_another_name_is_not_obtained_a_second_time(web: Web, tmp_path: Path) -> None:
    """It was added with --name, and the matrix uses it."""
    with session(tmp_path) as lab_session:
        (one,) = known.matching(tmp_path / "provision", "mine:1")
        by_name.ensure_added(lab_session.kernels, one, cache=tmp_path / "cache", work=Work(), name="first")
        web.asked.clear()
        assert wanted_kernels.ensure(lab_session, ["mine:1"]) == wanted_kernels.WantedKernels(("first",), ())
        assert lab_session.kernels.names() == ["first"]
    assert web.asked == []


def test_a_pattern_matches_manually_added_kernels(web: Web, tmp_path: Path) -> None:
    """They keep the names under which they were added."""
    with session(tmp_path) as lab_session:
        kernels_add.add(lab_session.kernels, Given([str(kernels.tree(tmp_path / "tree"))]), "el78", [], Work())
        assert wanted_kernels.ensure(lab_session, ["el7*"]) == wanted_kernels.WantedKernels(("el78",), ())
        with pytest.raises(BadInput, match="no known kernel is called 'nothing"):
            wanted_kernels.ensure(lab_session, ["nothing*"])
    assert web.asked == []


def test_ctrl_c_ends_the_whole_preparation(web: Web, tmp_path: Path) -> None:
    """It does not continue with the next kernel."""
    work = Work(lambda event: work.cancel() if isinstance(event, StepStarted) and "KEY" in event.title else None)
    with session(tmp_path, work) as lab_session, pytest.raises(Cancelled):
        wanted_kernels.ensure(lab_session, ["mine:*"])
    assert [path for _, path, _ in web.asked if "3" in path] in ([], ["/3/kernel.rpm"])


def test_skipped_kernels_are_in_every_document() -> None:
    """Each has one line, and no empty table row."""
    comparison = MatrixMade(None, None, None, (), (NotRun("centos:7.5.1804", "no network"),))

    assert json.loads(text(comparison))["not_run"] == [{"name": "centos:7.5.1804", "reason": "no network"}]
    assert _printed(comparison) == ["centos:7.5.1804 was not run: no network"]


def test_with_more_kernels_than_scenarios_each_kernel_has_a_row() -> None:
    """Ten columns would not fit on a terminal."""
    cells = tuple(
        CellMade(machine, scenario, "key", cached=False, problem="not made: because")
        for machine in ("centos-7-0-1406", "centos-7-1-1503", "centos-7-2-1511")
        for scenario in ("nfqueue", "nfqueue-dnat")
    )
    lines = _printed(MatrixMade(None, None, None, cells))
    rows = [line.split() for line in lines if "not made" in line and "because" not in line]
    assert [row[0] for row in rows] == ["centos-7-0-1406", "centos-7-1-1503", "centos-7-2-1511"]

    lines = _printed(MatrixMade(None, None, None, cells[:2]))
    rows = [line.split() for line in lines if "not made" in line and "because" not in line]
    assert [row[0] for row in rows] == ["nfqueue", "nfqueue-dnat"]


def _printed(comparison: MatrixMade) -> list[str]:
    console = Console(file=io.StringIO(), width=80, no_color=True)
    with console.capture() as captured:
        console.print(render(comparison))
    return [line.rstrip() for line in captured.get().splitlines() if line.strip()]


def test_the_matrix_reports_skipped_kernels_with_exit_status_3(tmp_path: Path) -> None:
    """Example: no network."""
    result = lab(tmp_path, "matrix", "--kernels", "centos:7.[01]*", "-s", "nfqueue", LAB_VAULT="http://127.0.0.1:1")

    printed = " ".join(result.stdout.split())
    assert result.returncode == 3
    for name in ("centos:7.0.1406", "centos:7.1.1503"):
        assert f"{name} was not run: its packages cannot be downloaded: 127.0.0.1:1: Connection refused" in printed
