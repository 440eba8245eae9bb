"""Stored runs: complete or absent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.catalogue.scenario import Scenario
from lab.comparison import review
from lab.foundation.errors import BadInput
from lab.foundation.home import SCENARIOS
from lab.runs.run import RanOn, Run
from lab.runs.store import RunStore


def trial(lookup_s: float) -> dict[str, bytes]:
    """Return the raw files of a baseline trial."""
    timings = f'{{"http_code": 200, "time_namelookup": {lookup_s}, "time_total": {lookup_s}}}'
    return {"curl.json": timings.encode(), "curl.status": b"0\n", "dmesg": b""}


REPLICA = RanOn(kernel="6.1.0-test", era=Era.DROP, system=System.REPLICA, title="a replica")
CENTOS = RanOn(
    kernel="3.10.0-123.el7.x86_64",
    era=Era.DROP,
    system=System.CENTOS,
    title="CentOS 7.0",
    distribution="CentOS 7.0",
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Return an empty store."""
    return RunStore(tmp_path / "runs")


@pytest.fixture
def baseline() -> Scenario:
    """Return the baseline scenario."""
    return find.scenarios(SCENARIOS, ["baseline"])[0]


def begin(store: RunStore, baseline: Scenario, *names: str) -> Run:
    """Begin a run of the baseline on machines."""
    return store.begin(dict.fromkeys(names, REPLICA), [baseline], 2)


def test_a_stored_run_is_read_back_unchanged(store: RunStore, baseline: Scenario) -> None:
    """A run and its trials round-trip."""
    run = begin(store, baseline, "old", "new")
    store.add_trial(run, "old", "baseline", 1, trial(0.02))
    store.add_trial(run, "old", "baseline", 2, trial(0.04))
    finished = store.finish(run)

    assert store.get(run.id) == finished
    (cell,) = review.judge_run(store, finished).cells
    assert (cell.machine, cell.trials, cell.stalled) == ("old", 2, 0)
    assert cell.median_s == pytest.approx(0.03)


def test_an_interrupted_run_can_be_compared(store: RunStore, baseline: Scenario) -> None:
    """Its trials are complete; only its end is missing."""
    run = begin(store, baseline, "old")
    store.add_trial(run, "old", "baseline", 1, trial(5.1))

    assert store.get(run.id).finished is None
    (cell,) = review.judge_newest(store).cells
    assert cell.stalled == 1
    assert not cell.as_expected


def test_a_crash_while_storing_a_trial_leaves_it_complete_or_absent(tmp_path: Path) -> None:
    """Killed twenty times at different moments, the store never has half a trial."""
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
        time.sleep(moment / 1000)  # each kill hits the next trial at another point
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        store = RunStore(runs)
        (run,) = store.newest_first()
        trials = store.trials(run, "old", "baseline")
        assert len(trials) > moment
        assert all(
            {path.name for path in stored.iterdir()} == {"curl.json", "curl.status", "dmesg"} for stored in trials
        )


def test_an_unknown_or_damaged_run_is_reported(store: RunStore, baseline: Scenario) -> None:
    """A damaged run does not hide the others."""
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
    """Machines from separate runs can be compared."""
    for lookup_s in (5.1, 0.02):
        store.add_trial(begin(store, baseline, "old"), "old", "baseline", 1, trial(lookup_s))
    store.add_trial(begin(store, baseline, "new"), "new", "baseline", 1, trial(0.01))

    cells = {cell.machine: cell for cell in review.judge_newest(store, ["old", "new"]).cells}

    assert cells["old"].median_s == pytest.approx(0.02)
    assert cells["new"].median_s == pytest.approx(0.01)


def test_comparing_an_unknown_cell_lists_the_existing_ones(store: RunStore, baseline: Scenario) -> None:
    """This also works without any run."""
    with pytest.raises(BadInput, match="nothing to compare"):
        review.judge_newest(store)
    store.add_trial(begin(store, baseline, "old"), "old", "baseline", 1, trial(0.02))
    with pytest.raises(BadInput, match="no trials of 'new' are stored; the stored runs have trials of: old"):
        review.judge_newest(store, ["new"])


def test_trials_of_a_machines_former_system_are_not_mixed_in(store: RunStore, baseline: Scenario) -> None:
    """A replica's trials do not pass for CentOS's: each table has only one of them."""
    other = baseline.model_copy(update={"name": "other"})
    for machine, scenarios in ((REPLICA, [baseline, other]), (CENTOS, [baseline])):
        run = store.begin({"old": machine}, scenarios, 1)
        for scenario in scenarios:
            store.add_trial(run, "old", scenario.name, 1, trial(0.02))

    compared = review.judge_newest(store)

    assert compared.machines == {"old": CENTOS}
    assert [cell.scenario for cell in compared.cells] == ["baseline"]
