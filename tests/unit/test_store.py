"""Stored runs: whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import review
from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.scenario import Scenario
from lab.errors import BadInput
from lab.home import SCENARIOS
from lab.store import RanOn, Run, RunStore


def trial(lookup_s: float) -> dict[str, bytes]:
    """Give the raw files of a trial of the baseline."""
    timings = f'{{"http_code": 200, "time_namelookup": {lookup_s}, "time_total": {lookup_s}}}'
    return {"curl.json": timings.encode(), "curl.status": b"0\n", "dmesg": b""}


REPLICA = RanOn(kernel="6.1.0-test", era=Era.DROP, replica=True, title="a replica")
CENTOS = RanOn(kernel="3.10.0-123.el7.x86_64", era=Era.DROP, replica=False, title="CentOS 7.0", system="CentOS 7.0")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Give an empty store."""
    return RunStore(tmp_path / "runs")


@pytest.fixture
def baseline() -> Scenario:
    """Give the baseline."""
    return find.scenarios(SCENARIOS, ["baseline"])[0]


def begin(store: RunStore, baseline: Scenario, *names: str) -> Run:
    """Begin a run of the baseline on machines."""
    return store.begin(dict.fromkeys(names, REPLICA), [baseline], 2)


def test_what_is_stored_is_what_is_read(store: RunStore, baseline: Scenario) -> None:
    """A run and its trials come back as they were."""
    run = begin(store, baseline, "old", "new")
    store.add_trial(run, "old", "baseline", 1, trial(0.02))
    store.add_trial(run, "old", "baseline", 2, trial(0.04))
    finished = store.finish(run)

    assert store.get(run.id) == finished
    (cell,) = review.of_run(store, finished).cells
    assert (cell.machine, cell.trials, cell.stalled) == ("old", 2, 0)
    assert cell.median_s == pytest.approx(0.03)


def test_a_run_that_was_cut_off_can_be_compared(store: RunStore, baseline: Scenario) -> None:
    """Its trials are whole: only its end is missing."""
    run = begin(store, baseline, "old")
    store.add_trial(run, "old", "baseline", 1, trial(5.1))

    assert store.get(run.id).finished is None
    (cell,) = review.newest(store).cells
    assert cell.stalled == 1
    assert not cell.as_expected


def test_a_crash_while_a_trial_is_stored_leaves_it_whole_or_not_there(tmp_path: Path) -> None:
    """Killed at any moment, twenty times, no half trial is ever found."""
    script = (
        "import sys; from pathlib import Path; from tests.unit.test_store import *\n"
        "store = RunStore(Path(sys.argv[1])); baseline = find.scenarios(SCENARIOS, ['baseline'])[0]\n"
        "run = begin(store, baseline, 'old'); number = 0\n"
        "while True:\n"
        "    number += 1; store.add_trial(run, 'old', 'baseline', number, trial(0.02)); print(flush=True)\n"
    )
    for moment in range(20):
        runs = tmp_path / str(moment)
        process = subprocess.Popen([sys.executable, "-c", script, runs], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(moment + 1):
            process.stdout.readline()
        time.sleep(moment / 1000)  # so that each kill finds the next trial at another point
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        store = RunStore(runs)
        (run,) = store.newest_first()
        trials = store.trials(run, "old", "baseline")
        assert len(trials) > moment
        assert all(
            {path.name for path in stored.iterdir()} == {"curl.json", "curl.status", "dmesg"} for stored in trials
        )


def test_an_unknown_or_damaged_run_is_said_so(store: RunStore, baseline: Scenario) -> None:
    """Of several runs, one damaged does not hide the others."""
    with pytest.raises(BadInput, match="none is stored yet"):
        store.get("nonsense")
    run = begin(store, baseline, "old")
    store.add_trial(run, "old", "baseline", 1, trial(0.02))
    damaged = begin(store, baseline, "old")
    (store.path(damaged) / "run.json").write_text('{"schema_version": 99}')

    with pytest.raises(BadInput, match="cannot be read as a run"):
        store.get(damaged.id)
    with pytest.raises(BadInput, match=run.id):
        store.get("../" + run.id)
    assert [stored.id for stored in store.newest_first()] == [run.id]


def test_comparing_takes_the_newest_trials_of_each_cell(store: RunStore, baseline: Scenario) -> None:
    """Machines that were run apart can be compared."""
    for lookup_s in (5.1, 0.02):
        store.add_trial(begin(store, baseline, "old"), "old", "baseline", 1, trial(lookup_s))
    store.add_trial(begin(store, baseline, "new"), "new", "baseline", 1, trial(0.01))

    cells = {cell.machine: cell for cell in review.newest(store, ["old", "new"]).cells}

    assert cells["old"].median_s == pytest.approx(0.02)
    assert cells["new"].median_s == pytest.approx(0.01)


def test_comparing_what_was_never_run_lists_what_was(store: RunStore, baseline: Scenario) -> None:
    """Also when nothing was run at all."""
    with pytest.raises(BadInput, match="nothing to compare"):
        review.newest(store)
    store.add_trial(begin(store, baseline, "old"), "old", "baseline", 1, trial(0.02))
    with pytest.raises(BadInput, match="no trials of 'new' are stored; the stored runs have trials of: old"):
        review.newest(store, ["new"])


def test_a_machine_that_became_another_is_never_mixed_with_what_it_was(store: RunStore, baseline: Scenario) -> None:
    """A replica's trials do not pass for CentOS's: each table is of one of the two."""
    other = baseline.model_copy(update={"name": "other"})
    for machine, scenarios in ((REPLICA, [baseline, other]), (CENTOS, [baseline])):
        run = store.begin({"old": machine}, scenarios, 1)
        for scenario in scenarios:
            store.add_trial(run, "old", scenario.name, 1, trial(0.02))

    compared = review.newest(store)

    assert compared.machines == {"old": CENTOS}
    assert [cell.scenario for cell in compared.cells] == ["baseline"]
