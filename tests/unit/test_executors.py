"""Work in processes of its own: what dies takes nothing else with it, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from distributed import LocalCluster

from lab import executors
from lab.errors import BrokenEnvironment
from lab.executors import on_cluster, on_this_machine
from lab.provider import guard, qemu_process


def double(number: int) -> int:
    """Do something a worker can do."""
    return 2 * number


def kill_oneself() -> None:
    """Die as a worker dies that the kernel kills."""
    os.kill(os.getpid(), signal.SIGKILL)


def say_who_and_sleep(path: Path) -> None:
    """Say which process this is, and do not end by oneself."""
    path.with_suffix(".part").write_text(str(os.getpid()))
    path.with_suffix(".part").rename(path)
    time.sleep(600)


def test_a_worker_that_dies_costs_only_its_own_piece() -> None:
    """The others, under way at the same time and handed out later, are done."""
    with on_this_machine(2) as place:
        dies = place.executor.submit(kill_oneself)
        others = [place.executor.submit(double, number) for number in range(3)]

        assert [other.result(60) for other in others] == [0, 2, 4]
        assert isinstance(dies.exception(60), place.lost)


def test_no_worker_outlives_what_it_was_started_for(tmp_path: Path) -> None:
    """A Ctrl-C leaves no process that works on for nobody."""
    with on_this_machine(1) as place:
        place.executor.submit(say_who_and_sleep, tmp_path / "pid")
        place.executor.submit(say_who_and_sleep, tmp_path / "never")
        for _ in range(600):
            if (tmp_path / "pid").exists():
                break
            time.sleep(0.1)
        worker = int((tmp_path / "pid").read_text())

    assert not psutil.pid_exists(worker)
    assert not (tmp_path / "never").exists()


def test_where_no_scheduler_answers_it_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that names the address, and what to do."""
    monkeypatch.setattr(executors, "CLUSTER_BOUND_S", 0.5)
    with pytest.raises(BrokenEnvironment, match="no Dask scheduler answers at"), on_cluster("127.0.0.1:1"):
        pass


def test_a_cluster_does_what_it_is_given_and_passes_what_is_shared() -> None:
    """Whoever hands work out needs not know that it is done elsewhere."""
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as there,
        on_cluster(there.scheduler_address) as place,
    ):
        shared = place.share(b"kernel")

        assert [place.executor.submit(double, number).result(60) for number in range(3)] == [0, 2, 4]
        assert place.executor.submit(len, shared).result(60) == len(b"kernel")


WATCHED = """
import sys, time
from pathlib import Path
from lab import process
with process.watched([sys.executable, "-m", "lab.provider.guard", Path(sys.argv[1])]):
    print("watched", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_worker_left_running_is_ended_and_its_lab_removed(tmp_path: Path) -> None:
    """Kill -9 lets nobody tidy up after himself: the guard does."""
    home = tmp_path / "cell"
    machine = home / "machines" / "old"
    machine.mkdir(parents=True)
    stands_for_qemu = subprocess.Popen(["sleep", "600"])
    try:
        (machine / "started.json").write_text(
            f'{{"pid": {stands_for_qemu.pid}, "port": 1, "marker": "600"}}', encoding="utf-8"
        )
        assert qemu_process.running(machine) is not None
        with subprocess.Popen([sys.executable, "-c", WATCHED, home], stdout=subprocess.PIPE) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"watched\n"
            assert home.exists()
            worker.kill()

        assert stands_for_qemu.wait(60) == -signal.SIGTERM
        for _ in range(600):
            if not home.exists():
                break
            time.sleep(0.1)
        assert not home.exists()
    finally:
        stands_for_qemu.kill()


def test_a_guard_that_finds_nothing_does_nothing(tmp_path: Path) -> None:
    """A worker that ended well has removed its machines already."""
    guard.tidy(tmp_path / "never-there")
