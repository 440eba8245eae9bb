"""What is shown of a stored trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.era import Era
from lab.home import SCENARIOS
from lab.store import RanOn, RunStore
from tests.command_line import lab

RECORDED = Path(__file__).parents[1] / "evidence" / "replicas"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a lab with one run of recorded trials: a stalled one with evidence, and one with the client's word only."""
    home = tmp_path_factory.mktemp("lab")
    store = RunStore(home / "runs")
    machine = RanOn(kernel="6.1.0", era=Era.DROP, replica=True, title="a replica")
    run = store.begin({"old": machine}, find.scenarios(SCENARIOS, ["nfqueue"]), 1)
    for number, names in ((1, ("client.json", "client.status", "dmesg", "verdict.jsonl")), (2, None)):
        paths = [path for path in (RECORDED / "old-nfqueue").iterdir() if names is None or path.name in names]
        store.add_trial(run, "old", "nfqueue", number, {path.name: path.read_bytes() for path in paths})
    store.finish(run)
    return home


def test_a_trial_is_shown_as_a_timeline_that_ends_where_the_query_was_lost(home: Path) -> None:
    """Whoever looks at it sees confirm return 0 and everything behind that empty."""
    done = lab(home, "show", "newest", "old/nfqueue/2", COLUMNS="130")
    lost = done.stdout.split("AAAA query")[2]

    assert done.returncode == 0, done.stderr
    assert "✗" in lost
    assert "0 (NF_DROP)" in lost
    assert lost.index("confirm returned") < lost.index("not seen")
    assert "insert_failed +1" in done.stdout
    assert "±" in done.stdout


def test_a_trial_without_evidence_says_how_to_get_it(home: Path) -> None:
    """Nothing is guessed of what nobody looked at."""
    done = lab(home, "show", "old/nfqueue/1", COLUMNS="130")

    assert done.returncode == 0, done.stderr
    assert "not traced" in done.stdout
    assert "lab run --evidence" in done.stdout
    assert "lost" not in done.stdout


def test_a_runs_trials_are_listed_in_a_line_each(home: Path) -> None:
    """The way to the trial that is worth a look."""
    done = lab(home, "show", COLUMNS="200")

    assert done.returncode == 0, done.stderr
    assert "old/nfqueue/1" in done.stdout
    assert "lost at confirm, which returned 0 (NF_DROP)" in done.stdout


def test_a_trial_that_is_not_there_is_answered_with_those_that_are(home: Path) -> None:
    """Exit status 2 and one line."""
    done = lab(home, "show", "newest", "old/nfqueue/3")

    assert done.returncode == 2
    assert "there are: old/nfqueue/1, old/nfqueue/2" in done.stderr


def test_the_comparison_states_the_difference_that_tracing_made(home: Path) -> None:
    """Two medians, one for each kind of trial."""
    done = lab(home, "compare", COLUMNS="130")

    assert "traced" in done.stdout
    assert "34-100 %" in done.stdout
    assert "5 s: 2" in done.stdout
