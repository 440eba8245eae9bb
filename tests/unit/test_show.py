"""Output of `lab show` for a stored trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.foundation.home import SCENARIOS
from lab.present.text.wrapping import columns
from lab.runs.run import RanOn
from lab.runs.store import RunStore
from tests.command_line import lab

RECORDED = Path(__file__).parents[1] / "evidence" / "replicas"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab with a run of recorded trials: a stalled one with evidence and one with the client's output only."""
    home = tmp_path_factory.mktemp("lab")
    store = RunStore(home / "runs")
    machine = RanOn(kernel="6.1.0", era=Era.DROP, system=System.REPLICA, title="a replica")
    run = store.begin({"old": machine}, find.scenarios(SCENARIOS, ["nfqueue"]), 1)
    for number, names in ((1, ("client.json", "client.status", "dmesg", "verdict.jsonl")), (2, None)):
        paths = [path for path in (RECORDED / "old-nfqueue").iterdir() if names is None or path.name in names]
        store.add_trial(run, "old", "nfqueue", number, {path.name: path.read_bytes() for path in paths})
    store.finish(run)
    return home


def test_a_trial_is_shown_as_a_timeline_that_ends_where_the_query_was_lost(home: Path) -> None:
    """The timeline shows that confirm returned 0, and nothing after that."""
    result = lab(home, "show", "newest", "old/nfqueue/2", COLUMNS="130")
    lost = result.stdout.split("AAAA query")[2]

    assert result.returncode == 0, result.stderr
    assert "✗" in lost
    assert "0 (NF_DROP)" in lost
    assert lost.index("confirm returned") < lost.index("not seen")
    assert "insert_failed +1" in result.stdout
    assert "±" in result.stdout


@pytest.mark.parametrize("width", ["80", "120"])
def test_a_trial_without_evidence_is_a_dozen_lines_with_the_sentence_first(home: Path, width: str) -> None:
    """Each query is a line with where it was seen; unobserved stages are not guessed."""
    result = lab(home, "show", "old/nfqueue/1", COLUMNS=width)
    shown = result.stdout.splitlines()

    assert result.returncode == 0, result.stderr
    assert shown[:2] == ["old/nfqueue/1: stalled", "the lookup took 5.33 s: it waited for a timeout"]
    assert "armed: two queries had different conntracks at once" in shown
    assert sum("queued at the hook, verdict given" in line for line in shown) == 4
    assert sum("sent again (2)" in line for line in shown) == 2
    assert "lab run --evidence" in result.stdout
    assert "lost" not in result.stdout
    assert len(shown) <= 12
    assert max(map(len, shown[:-1])) <= int(width)


def test_a_chinese_session_has_no_english_sentences(home: Path) -> None:
    """The reasons of verdicts and the details of packets are translated; the kernel's own words stay."""
    one = lab(home, "show", "old/nfqueue/2", COLUMNS="80", LAB_LANGUAGE="zh")
    every = lab(home, "show", COLUMNS="200", LAB_LANGUAGE="zh")

    assert (one.returncode, every.returncode) == (0, 0)
    assert "解析用了 5.33 s：等了一个超时时间；AAAA 查询（id 12412）丢失于 confirm" in every.stdout
    assert "0 (NF_DROP)（冲突之后）" in one.stdout
    for english in ("the lookup", "was lost", "not confirmed", "after", "packet "):
        assert english not in one.stdout + every.stdout
    assert max(columns(line) for line in one.stdout.splitlines()) <= 80


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_comparison_is_a_table_at_80_columns(home: Path, language: str) -> None:
    """Each cell is one row, with every figure."""
    result = lab(home, "compare", COLUMNS="80", LAB_LANGUAGE=language)
    (row,) = [line for line in result.stdout.splitlines() if "34-100 %" in line]

    assert result.returncode == 0
    assert columns(row) <= 80
    assert " ".join(row.split()).endswith("2 2 2 34-100 % 5 s: 2 5.33 s 5.33 s stalled")


def test_a_runs_trials_are_listed_in_a_line_each(home: Path) -> None:
    """The list leads to the interesting trial."""
    result = lab(home, "show", COLUMNS="200")

    assert result.returncode == 0, result.stderr
    assert "old/nfqueue/1" in result.stdout
    assert "lost at confirm, which returned 0 (NF_DROP)" in result.stdout


def test_an_unknown_trial_lists_the_existing_ones(home: Path) -> None:
    """Exit status 2 and one line."""
    result = lab(home, "show", "newest", "old/nfqueue/3")

    assert result.returncode == 2
    assert "there are: old/nfqueue/1, old/nfqueue/2" in result.stderr


def test_the_comparison_states_the_difference_that_tracing_made(home: Path) -> None:
    """There are two medians, one per kind of trial."""
    result = lab(home, "compare", COLUMNS="130")

    assert "traced" in result.stdout
    assert "34-100 %" in result.stdout
    assert "5 s: 2" in result.stdout
