"""Work in separate processes: a dying worker affects no other work, and nothing is left behind."""

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

from lab.foundation import executors
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.executors import on_cluster, on_this_machine
from lab.provider import guard, qemu_process


def double(number: int) -> int:
    """Do a worker's task."""
    return 2 * number


def kill_oneself() -> None:
    """Die like a worker that the kernel kills."""
    os.kill(os.getpid(), signal.SIGKILL)


def say_who_and_sleep(path: Path) -> None:
    """Print the process id and wait for ever."""
    path.with_suffix(".part").write_text(str(os.getpid()))
    path.with_suffix(".part").rename(path)
    time.sleep(600)


def test_a_worker_that_dies_loses_only_its_own_task() -> None:
    """Other tasks, running or handed out later, are completed."""
    with on_this_machine(2) as place:
        dies = place.executor.submit(kill_oneself)
        others = [place.executor.submit(double, number) for number in range(3)]

        assert [other.result(60) for other in others] == [0, 2, 4]
        assert isinstance(dies.exception(60), place.lost)


def test_no_worker_outlives_its_parent(tmp_path: Path) -> None:
    """After Ctrl-C no worker process is left running."""
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


def test_an_unreachable_scheduler_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names the address and what to do."""
    monkeypatch.setattr(executors, "CLUSTER_BOUND_S", 0.5)
    with pytest.raises(BrokenEnvironment, match="no Dask scheduler answers at"), on_cluster("127.0.0.1:1"):
        pass


def test_a_cluster_runs_tasks_with_shared_data() -> None:
    """The caller need not know that the work runs elsewhere."""
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
from lab.foundation import process
with process.watched([sys.executable, "-m", "lab.provider.guard", Path(sys.argv[1])]):
    print("watched", flush=True)
    time.sleep(600)
"""


def test_leftovers_of_a_killed_worker_are_removed(tmp_path: Path) -> None:
    """After kill -9 a worker cannot clean up; the guard does."""
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
    """A worker that ended normally has already removed its machines."""
    (tmp_path / "another").mkdir()

    guard.tidy(tmp_path / "never-there")

    assert [path.name for path in tmp_path.iterdir()] == ["another"]
