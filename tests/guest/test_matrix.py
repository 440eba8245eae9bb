"""Matrix cells: none is lost with a worker, none is made twice, and results do not depend on the executor."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.guest.conftest import Done, TestLab, wait_for

CELLS = ("matrix", "old", "new", "-s", "baseline", "-s", "nfqueue", "-n", "2", "--json")

SHOWN = ("machine", "scenario", "trials", "armed", "counted", "stalled", "verdict", "as_expected")


def shown(result: Done) -> list[dict[str, Any]]:
    """Return a matrix's cells without times, which always differ."""
    return [{name: cell[name] for name in SHOWN} for cell in result.json["cells"]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> TestLab:
    """Return a lab whose cells are below its own directory, so that leftovers are found."""
    home = tmp_path_factory.mktemp("matrix")
    scratch = home / "scratch"
    scratch.mkdir()
    return TestLab(home, {"TMPDIR": str(scratch)})


def left_behind(lab: TestLab) -> list[object]:
    """Return guests and directories that cells left."""
    return [*lab.guests(), *(lab.home / "scratch").glob("five-second-lab-cell-*")]


def workers_of(parent: psutil.Process) -> list[psutil.Process]:
    """Return the processes that make cells for a lab command or a Dask worker."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [child for child in parent.children() if any("spawn_main" in word for word in child.cmdline())]
    return []


@pytest.fixture(scope="module")
def made_here(lab: TestLab) -> Done:
    """Make the cells on this machine and kill a worker once it has a guest."""
    process = lab.start(*CELLS)
    wait_for(lab.guests)
    victim = next(iter(workers_of(psutil.Process(process.pid))))
    victim.send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=1800)
    return Done(process.returncode, out, err)


def test_a_killed_workers_cell_is_made_again(lab: TestLab, made_here: Done) -> None:
    """Every cell is complete and as expected; nothing of the killed worker remains."""
    assert made_here.status == 0, made_here.err
    assert [(cell["machine"], cell["scenario"], cell["stalled"]) for cell in shown(made_here)] == [
        ("old", "baseline", 0),
        ("new", "baseline", 0),
        ("old", "nfqueue", 2),
        ("new", "nfqueue", 0),
    ]
    wait_for(lambda: not left_behind(lab))


def test_no_cell_is_made_twice_and_a_new_scenario_adds_one_cell(lab: TestLab, made_here: Done) -> None:
    """A repeated matrix reuses finished cells."""
    again = lab.well(*CELLS)

    assert [cell["cached"] for cell in again.json["made"]] == [True] * 4
    assert again.json["cells"] == made_here.json["cells"]
    trial = lab.well("show", again.json["run"], "old/nfqueue/1", "--json").json
    assert trial["outcome"] == "stalled"


def test_an_interrupted_matrix_keeps_finished_cells_and_leaves_nothing_running(lab: TestLab) -> None:
    """Ctrl-C ends workers and guests; unfinished cells are made the next time."""
    process = lab.start("matrix", "old", "-s", "nfqueue-single-request", "-n", "2", "--json")
    wait_for(lab.guests)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)

    assert process.returncode == 130, err
    assert "0 of 1 cells were made and are kept" in err
    wait_for(lambda: not left_behind(lab))


@contextmanager
def cluster(directory: Path, environment: dict[str, str]) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Return a Dask cluster on the loopback: a scheduler and two single-threaded workers."""
    address = directory / "scheduler.json"

    def dask(what: str, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", what, "--host", "127.0.0.1", "--no-dashboard", *arguments],
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    started = [dask("scheduler", "--port", "0", "--scheduler-file", str(address))]
    try:
        wait_for(address.exists)
        alone = ("--nthreads", "1", "--no-nanny", "--local-directory", str(directory))
        started += [dask("worker", *alone, "--scheduler-file", str(address)) for _ in range(2)]
        place = address.read_text().split('"address": "')[1].split('"')[0]
        # With one worker at the beginning, that one may get all cells.
        both = "import sys; from distributed import Client; Client(sys.argv[1]).wait_for_workers(2, 120)"
        subprocess.run([sys.executable, "-c", both, place], check=True, capture_output=True)
        yield place, started[1:]
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)


def test_a_dask_cluster_makes_the_same_cells_despite_a_killed_worker(
    lab: TestLab, made_here: Done, tmp_path: Path
) -> None:
    """The other worker takes over the cell, and results equal those made locally."""
    fresh = TestLab(tmp_path / "lab", {"TMPDIR": str(lab.home / "scratch")})
    where = {**lab.environment, "LAB_HOME": str(tmp_path / "lab"), "LAB_PROVIDER": "qemu"}
    with cluster(tmp_path, where) as (address, workers):
        process = fresh.start(*CELLS, "--scheduler", address)
        # Both workers have a cell; one is killed.
        wait_for(lambda: len(lab.guests()) == 2, bound_s=300)
        workers[0].kill()
        out, err = process.communicate(timeout=1800)
        outcome = Done(process.returncode, out, err)
        wait_for(lambda: not left_behind(lab))

    assert outcome.status == 0, outcome.err
    assert shown(outcome) == shown(made_here)
