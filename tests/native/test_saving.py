"""Snapshots of a running QEMU. No guest runs in it; a guest takes no part in this."""

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
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import PAUSE_S, Work
from lab.provider import qemu_process, qmp, snapshot
from lab.provider.qmp import Monitor
from lab.provider.saved import SavedState
from tests.guest.conftest import wait_for

T = TypeVar("T")

MACHINE = Machine(name="m", era=Era.DROP, system=Debian(title="t", kernel="6.1", rewound=True))

HANGS_S = 3.0


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """Start a QEMU like a machine's, with short timeouts for its answers."""
    (tmp_path / qemu_process.DISK).write_bytes(b"disk")
    argv = [qemu_process.PROGRAM, "-accel", "tcg", "-m", "16", "-nodefaults", "-display", "none", *qmp.ARGUMENTS]
    process = subprocess.Popen(argv, cwd=tmp_path)
    try:
        wait_for(lambda: answers(tmp_path))
        monkeypatch.setattr(qmp, "ANSWER_BOUND_S", HANGS_S / 3)
        yield process
    finally:
        process.kill()
        process.wait()


def answers(directory: Path) -> bool:
    """Return whether QEMU's monitor answers: a socket has a name before it listens."""
    try:
        return status(directory) == "running"
    except BrokenEnvironment:
        return False


def status(directory: Path) -> str:
    """Return the state of the guest as QEMU reports it."""
    with Monitor(directory) as monitor:
        return str(monitor.ask("query-status")["status"])


class Hanging(Work):
    """Suspend a process as soon as anything is waited for.

    Args:
        process: The process to suspend.
        hangs_s: Duration in seconds; None for ever.
    """

    def __init__(self, process: subprocess.Popen[bytes], hangs_s: float | None) -> None:
        super().__init__()
        self._process = process
        self._hangs_s = hangs_s

    def wait_until(self, condition: Callable[[], T | None], bound_s: float, pause_s: float = PAUSE_S) -> T | None:
        """Wait for the condition, which now takes longer."""
        self._process.send_signal(signal.SIGSTOP)
        if self._hangs_s is not None:
            threading.Timer(self._hangs_s, self._process.send_signal, [signal.SIGCONT]).start()
        return super().wait_until(condition, bound_s, pause_s)


def test_a_snapshot_is_complete_and_the_machine_keeps_running(
    tmp_path: Path, qemu: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every start of a machine ends with such a snapshot."""
    monkeypatch.setattr(qmp, "ANSWER_BOUND_S", 30.0)
    snapshot.save(MACHINE, tmp_path, {}, 0.0, Work())

    SavedState(tmp_path).check()
    assert SavedState(tmp_path).memory.stat().st_size > 0
    assert status(tmp_path) == "running"
    assert qemu.poll() is None


def test_a_machine_keeps_running_after_a_snapshot_timeout(
    tmp_path: Path, qemu: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would stay paused while the lab reports it as running."""
    with pytest.raises(BrokenEnvironment, match="did not answer") as error:
        snapshot.save(MACHINE, tmp_path, {}, 0.0, Hanging(qemu, HANGS_S))

    assert not isinstance(error.value, snapshot.StandsStill)
    assert not SavedState(tmp_path).exists()
    monkeypatch.setattr(qmp, "ANSWER_BOUND_S", 30.0)
    assert status(tmp_path) == "running"


def test_a_machine_stuck_in_pause_is_distinguished_from_a_failed_snapshot(
    tmp_path: Path, qemu: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A paused machine is unusable; a failed snapshot only makes the next start slower."""
    monkeypatch.setattr(snapshot, "RUN_ON_BOUND_S", HANGS_S / 2)
    with pytest.raises(snapshot.StandsStill, match="cannot be resumed"):
        snapshot.save(MACHINE, tmp_path, {}, 0.0, Hanging(qemu, None))

    assert not SavedState(tmp_path).exists()
