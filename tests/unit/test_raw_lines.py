"""Raw files as lines, and runs that are extended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.evidence import raw
from lab.foundation.errors import BadInput
from lab.foundation.home import SCENARIOS
from lab.foundation.language import Language
from lab.runs.run import RanOn
from lab.runs.store import RunStore
from tests.command_line import lab

EVIDENCE = Path(__file__).parents[1] / "evidence"

OLD = RanOn(kernel="6.1.0", era=Era.DROP, system=System.REPLICA, title="a replica")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a lab with a run of one recorded trial."""
    store = RunStore(tmp_path / "runs")
    run = store.begin({"old": OLD}, find.scenarios(SCENARIOS, ["nfqueue"]), 1)
    paths = (EVIDENCE / "replicas" / "old-nfqueue").iterdir()
    store.add_trial(run, "old", "nfqueue", 1, {path.name: path.read_bytes() for path in paths})
    store.finish(run)
    return tmp_path


def test_a_capture_is_shown_like_tcpdump_output() -> None:
    """The AAAA query of 3.10.0-123 is sent once, five seconds after the first A query."""
    lines = raw.read_lines(EVIDENCE / "3.10.0-123.el7" / "1" / "client.pcap")

    assert lines[0] == "15:25:03.478173 IP 10.10.10.89.48758 > 10.10.10.53.53: udp 17086 A? www.lab.test."
    assert lines[1].endswith("udp 17086 answer, NOERROR, to A? www.lab.test.")
    assert [line[:8] for line in lines if " AAAA?" in line and "answer" not in line] == ["15:25:08"]


def test_control_characters_in_raw_files_are_not_printed(tmp_path: Path) -> None:
    """A guest may write anything."""
    (tmp_path / "dmesg").write_bytes(b"\x1b[2Jgone\x07 \xff\n\ttab\n")

    assert raw.read_lines(tmp_path / "dmesg") == ("?[2Jgone? \ufffd", "\ttab")


def test_lines_of_a_raw_file_are_shown_whole_and_by_pattern(home: Path) -> None:
    """The lines equal grep's output; JSON has the same."""
    result = lab(home, "show", "old/nfqueue/1", "--raw", "trace", "--only", "ret=0$")
    text = (EVIDENCE / "replicas" / "old-nfqueue" / "trace").read_text()

    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [line for line in text.splitlines() if line.endswith("ret=0")]
    as_json = lab(home, "show", "old/nfqueue/1", "--raw", "trace", "--only", "ret=0$", "--json")
    assert json.loads(as_json.stdout)["lines"] == result.stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["old/nfqueue/1", "--raw", "nonsense"], "has no raw file 'nonsense'; there are: client.json, client.pcap"),
        (["old/nfqueue/1", "--raw", "../run.json"], "has no raw file '../run.json'"),
        (["old/nfqueue/1", "--raw", "dmesg", "--only", "("], "is not a regular expression"),
        (["old/nfqueue/1", "--only", "x"], "--only goes with --raw"),
        (["--raw", "dmesg"], "raw files are those of one trial"),
    ],
)
def test_an_unknown_raw_file_lists_the_existing_ones(home: Path, arguments: list[str], message: str) -> None:
    """Exit status 2."""
    result = lab(home, "show", *arguments)

    assert result.returncode == 2
    assert message in result.stderr.splitlines()[0]


def test_an_extended_run_keeps_its_trials(home: Path) -> None:
    """Machines and scenarios are added to the existing ones."""
    store = RunStore(home / "runs")
    before = next(store.newest_first())
    new = OLD.model_copy(update={"era": Era.RESOLVE})
    extended = store.extend(before.id, {"new": new}, find.scenarios(SCENARIOS, ["baseline"]), 3)

    assert list(extended.machines) == ["old", "new"]
    assert list(extended.scenarios) == ["nfqueue", "baseline"]
    assert (extended.trials, extended.finished) == (3, None)
    assert len(store.trials(extended, "old", "nfqueue")) == 1
    assert store.get(before.id) == extended


def test_a_run_is_not_extended_by_a_machine_of_another_system(home: Path) -> None:
    """CentOS after a replica under one name would be mixed into one table."""
    store = RunStore(home / "runs")
    run = next(store.newest_first())

    with pytest.raises(BadInput, match="old has changed since"):
        store.extend(run.id, {"old": OLD.model_copy(update={"kernel": "3.10.0-123"})}, [], 1)
    with pytest.raises(BadInput, match="no run is called 'nonsense'"):
        store.extend("nonsense", {}, [], 1)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, Language.ENGLISH),
        ({"LANG": "de_DE.UTF-8"}, Language.ENGLISH),
        ({"LANG": "zh_CN.UTF-8"}, Language.CHINESE),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, Language.ENGLISH),
        ({"LANG": "C", "LC_MESSAGES": "zh_SG", "LC_ALL": ""}, Language.CHINESE),
    ],
)
def test_the_language_is_the_locales(environment: dict[str, str], language: Language) -> None:
    """An empty variable counts as unset (locale(7))."""
    assert Language.of_environment(environment) is language
