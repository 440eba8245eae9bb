"""Saving what a real QEMU is in the middle of; it has no guest, which takes no part in this."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from lab.catalogue.era import Era
from lab.catalogue.machine import Debian, Machine
from lab.errors import BrokenEnvironment
from lab.provider import qemu_process, qmp, snapshot
from lab.provider.qmp import Monitor
from lab.provider.saved import SavedState
from lab.work import PAUSE_S, Work
from tests.guest.conftest import wait_for

T = TypeVar("T")

MACHINE = Machine(name="m", era=Era.DROP, system=Debian(title="t", kernel="6.1", rewound=True))

HANGS_S = 3.0


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """Start a QEMU as that of a machine, and let nobody wait long for its answers."""
    (tmp_path / qemu_process.DISK).write_bytes(b"disk")
    argv = [qemu_process.PROGRAM, "-accel", "tcg", "-m", "16", "-nodefaults", "-display", "none", *qmp.ARGUMENTS]
    process = subprocess.Popen(argv, cwd=tmp_path)
    try:
        wait_for((tmp_path / qmp.SOCKET).exists)
        assert status(tmp_path) == "running"
        monkeypatch.setattr(qmp, "ANSWER_BOUND_S", HANGS_S / 3)
        yield process
    finally:
        process.kill()
        process.wait()


def status(directory: Path) -> str:
    """Give what QEMU says of its guest."""
    with Monitor(directory) as monitor:
        return str(monitor.ask("query-status")["status"])


class Hanging(Work):
    """Has a process hang as soon as anything is waited for.

    Args:
        process: Which.
        hangs_s: For how long, in seconds; None for ever.
    """

    def __init__(self, process: subprocess.Popen[bytes], hangs_s: float | None) -> None:
        super().__init__()
        self._process = process
        self._hangs_s = hangs_s

    def wait_until(self, condition: Callable[[], T | None], bound_s: float, pause_s: float = PAUSE_S) -> T | None:
        """Wait for what now takes longer."""
        self._process.send_signal(signal.SIGSTOP)
        if self._hangs_s is not None:
            threading.Timer(self._hangs_s, self._process.send_signal, [signal.SIGCONT]).start()
        return super().wait_until(condition, bound_s, pause_s)


def test_a_state_that_was_saved_is_whole_and_the_machine_runs_on(
    tmp_path: Path, qemu: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the end of every start."""
    monkeypatch.setattr(qmp, "ANSWER_BOUND_S", 30.0)
    snapshot.save(MACHINE, tmp_path, {}, 0.0, Work())

    SavedState(tmp_path).check()
    assert SavedState(tmp_path).memory.stat().st_size > 0
    assert status(tmp_path) == "running"
    assert qemu.poll() is None


def test_a_machine_whose_qemu_did_not_answer_while_it_was_saved_runs_on(
    tmp_path: Path, qemu: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would stand still for ever, while the lab said that it is up."""
    with pytest.raises(BrokenEnvironment, match="did not answer") as told:
        snapshot.save(MACHINE, tmp_path, {}, 0.0, Hanging(qemu, HANGS_S))

    assert not isinstance(told.value, snapshot.StandsStill)
    assert not SavedState(tmp_path).exists()
    monkeypatch.setattr(qmp, "ANSWER_BOUND_S", 30.0)
    assert status(tmp_path) == "running"


def test_a_machine_that_cannot_be_made_to_run_on_is_told_from_one_that_could_not_be_saved(
    tmp_path: Path, qemu: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one is no use to anybody, the other is only slower to start the next time."""
    monkeypatch.setattr(snapshot, "RUN_ON_BOUND_S", HANGS_S / 2)
    with pytest.raises(snapshot.StandsStill, match="does not run on"):
        snapshot.save(MACHINE, tmp_path, {}, 0.0, Hanging(qemu, None))

    assert not SavedState(tmp_path).exists()
