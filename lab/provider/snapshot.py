"""Snapshots and restores a running VM."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from lab.catalogue.machine import Machine
from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.files import require_space
from lab.foundation.work import Work
from lab.provider import qemu_process
from lab.provider.qemu_process import DISK, LOG, Started
from lab.provider.qmp import Monitor
from lab.provider.saved import CLOCK, MEMORY, Ingredients, SavedState

BOUND_S = 60.0
"""Timeout for writing or reading the memory: a tenth of a second for the pages in use, unless the disk is slow."""

RUN_ON_BOUND_S = 30.0
"""Timeout for resuming a stopped guest; milliseconds, unless QEMU hangs."""

PAUSE_S = 0.005

_UNLIMITED = 1 << 40
"""Bytes per second: QEMU's default limit is meant for migration over a shared network."""


class StandsStill(BrokenEnvironment):
    """A machine whose guest could not be resumed after it was stopped for a snapshot."""


def save(machine: Machine, directory: Path, made_of: Ingredients, behind_s: float, work: Work) -> None:
    """Snapshot a running machine, replacing the previous snapshot; it is stopped meanwhile and then resumed.

    Args:
        machine: The machine.
        directory: Its directory.
        made_of: Cache key of the state.
        behind_s: By how many seconds the guest's clock is behind the host's.
        work: Checked for cancellation.

    Raises:
        StandsStill: it could not be resumed; the previous snapshot is kept.
        BrokenEnvironment: disk space is missing, or QEMU failed; the previous snapshot is kept, and it keeps running.
        Cancelled: the work was cancelled; the previous snapshot is kept, and it keeps running.
    """
    saved = SavedState(directory)
    disk_mb = (directory / DISK).stat().st_size // 1_000_000
    require_space(directory, machine.memory_mb + disk_mb)
    with saved.written(made_of) as scratch:
        try:
            with Monitor(directory) as monitor:
                monitor.ask("stop")
                (scratch / CLOCK).write_text(str(time.time() - behind_s))
                _write_memory(monitor, scratch.name, work)
                # QEMU has flushed and released the disk by now, until the guest is resumed.
                shutil.copyfile(directory / DISK, scratch / DISK)
        finally:
            _run_on(directory)
        work.check()


def resume(machine: Machine, argv: Sequence[str], directory: Path, work: Work) -> float:
    """Restore a machine from its snapshot, on a copy of the snapshot's disk; it runs on return.

    Args:
        machine: The machine; it must be stopped.
        argv: QEMU's arguments; the same as when the snapshot was made.
        directory: Its directory.
        work: Checked for cancellation.

    Returns:
        By how many seconds the guest's clock is behind the host's.

    Raises:
        PortTaken: the machine has a fixed port, and it is in use.
        BrokenEnvironment: the state is damaged, or QEMU rejects it.
        Cancelled: the work was cancelled. No process is left in any of these cases.
    """
    saved = SavedState(directory)
    saved.check()
    unfinished = directory / "disk.unfinished"
    shutil.copyfile(saved.disk, unfinished)
    unfinished.replace(directory / DISK)
    memory, clock_s = saved.memory.relative_to(directory), saved.clock_s
    behind_s = 0.0

    def is_resumed(started: Started) -> bool:
        nonlocal behind_s
        # A QEMU that cannot read the state exits, and its log has the reason.
        with contextlib.suppress(BrokenEnvironment):
            monitor = work.wait_until(lambda: _monitor(directory) or not started.is_alive, BOUND_S, PAUSE_S)
            if isinstance(monitor, Monitor):
                with monitor:
                    work.wait_until(lambda: _status(monitor) != "inmigrate", BOUND_S, PAUSE_S)
                    behind_s = time.time() - clock_s
                    monitor.ask("cont")
                return True
        return False

    if qemu_process.start(machine, [*argv, "-incoming", f"exec:exec cat {memory}"], directory, is_resumed) is None:
        raise BrokenEnvironment(process.last_lines(directory / LOG) or "QEMU did not accept it")
    return behind_s


def was_cut_off(directory: Path) -> bool:
    """Return whether a machine's QEMU is paused because a command was killed while it saved or restored the machine."""
    monitor = _monitor(directory)
    if monitor is None:
        return False
    with monitor:
        return _status(monitor) in ("inmigrate", "paused", "finish-migrate", "postmigrate")


def _run_on(directory: Path) -> None:
    """Resume a stopped machine, whatever happened meanwhile."""
    deadline = time.monotonic() + RUN_ON_BOUND_S
    while True:
        # Reconnect each time: after a lost answer every answer on a connection belongs to an earlier command.
        try:
            with Monitor(directory) as monitor:
                with contextlib.suppress(BrokenEnvironment):
                    monitor.ask("migrate_cancel")  # no effect on a completed migration
                monitor.ask("cont")
                return
        except BrokenEnvironment as error:
            if time.monotonic() > deadline:
                raise StandsStill(
                    f"it was stopped to save its state, and cannot be resumed: {error.message}"
                ) from error
        time.sleep(PAUSE_S)


def _write_memory(monitor: Monitor, target: str, work: Work) -> None:
    monitor.ask("migrate-set-parameters", max_bandwidth=_UNLIMITED)
    # A relative name needs no shell quoting: QEMU's working directory is the machine's.
    monitor.ask("migrate", uri=f"exec:exec cat >{target}/{MEMORY}")

    def ended() -> str | None:
        status = str(monitor.ask("query-migrate").get("status"))
        return status if status in ("completed", "failed", "cancelled") else None

    status = work.wait_until(ended, BOUND_S, PAUSE_S)
    if status != "completed":
        raise BrokenEnvironment(f"QEMU did not write the guest's memory: {status or 'it took too long'}")


def _monitor(directory: Path) -> Monitor | None:
    try:
        return Monitor(directory)
    except BrokenEnvironment:
        return None


def _status(monitor: Monitor) -> str:
    return str(monitor.ask("query-status")["status"])
