"""Saves what a machine's QEMU is in the middle of, and goes on from there in a new one."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from lab import process
from lab.catalogue.machine import Machine
from lab.errors import BrokenEnvironment
from lab.files import require_space
from lab.provider import qemu_process
from lab.provider.qemu_process import DISK, LOG, Started
from lab.provider.qmp import Monitor
from lab.provider.saved import CLOCK, MEMORY, Ingredients, SavedState
from lab.work import Work

BOUND_S = 60.0
"""For writing or reading the memory: a tenth of a second for what a guest uses of it, unless the disk is slow."""

RUN_ON_BOUND_S = 30.0
"""For letting a guest run on that was stopped; milliseconds, unless QEMU hangs."""

PAUSE_S = 0.005

_UNLIMITED = 1 << 40
"""Bytes a second: QEMU's own default is meant for a network that others use too."""


class StandsStill(BrokenEnvironment):
    """A machine whose guest does not run on after its state was saved, or was not."""


def save(machine: Machine, directory: Path, made_of: Ingredients, behind_s: float, work: Work) -> None:
    """Save the state of a running machine, in place of the one before; it stands still meanwhile and then runs on.

    Args:
        machine: The machine.
        directory: Its directory.
        made_of: What went into the state.
        behind_s: How far the guest's clock is behind the host's, in seconds.
        work: Whose cancellation ends it.

    Raises:
        StandsStill: it does not run on; what was saved before is still there.
        BrokenEnvironment: there is no space, or QEMU refused; likewise, and the machine runs on.
        Cancelled: the work was cancelled; likewise.
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
                # QEMU has let go of the disk by now, with all that it kept back of it, until it goes on.
                shutil.copyfile(directory / DISK, scratch / DISK)
        finally:
            _run_on(directory)
        work.check()


def resume(machine: Machine, argv: Sequence[str], directory: Path, work: Work) -> float:
    """Start a machine's QEMU from its saved state, on a copy of the saved disk; it then runs.

    Args:
        machine: The machine; it must be off.
        argv: What its QEMU is started with; the same as when it was saved.
        directory: Its directory.
        work: Whose cancellation ends it.

    Returns:
        How far the guest's clock is behind the host's, in seconds.

    Raises:
        PortTaken: the machine insists on a port, and it is taken.
        BrokenEnvironment: the state is damaged, or QEMU refuses it.
        Cancelled: the work was cancelled. No process is left in any of these cases.
    """
    saved = SavedState(directory)
    saved.check()
    unfinished = directory / "disk.unfinished"
    shutil.copyfile(saved.disk, unfinished)
    unfinished.replace(directory / DISK)
    memory, clock_s = saved.memory.relative_to(directory), saved.clock_s
    behind_s = 0.0

    def goes_on(started: Started) -> bool:
        nonlocal behind_s
        # A QEMU that cannot read the state ends by itself, and its log says why.
        with contextlib.suppress(BrokenEnvironment):
            monitor = work.wait_until(lambda: _monitor(directory) or not started.is_alive, BOUND_S, PAUSE_S)
            if isinstance(monitor, Monitor):
                with monitor:
                    work.wait_until(lambda: _status(monitor) != "inmigrate", BOUND_S, PAUSE_S)
                    behind_s = time.time() - clock_s
                    monitor.ask("cont")
                return True
        return False

    if qemu_process.start(machine, [*argv, "-incoming", f"exec:exec cat {memory}"], directory, goes_on) is None:
        raise BrokenEnvironment(process.last_lines(directory / LOG) or "QEMU did not take it")
    return behind_s


def was_cut_off(directory: Path) -> bool:
    """Tell whether a machine's QEMU stands still because a command was killed while it saved or resumed it."""
    monitor = _monitor(directory)
    if monitor is None:
        return False
    with monitor:
        return _status(monitor) in ("inmigrate", "paused", "finish-migrate", "postmigrate")


def _run_on(directory: Path) -> None:
    """Have a machine run on that was stopped, whatever has happened meanwhile."""
    deadline = time.monotonic() + RUN_ON_BOUND_S
    while True:
        # A conversation of its own each time: in one with an answer missing, each answer is to an earlier question.
        try:
            with Monitor(directory) as monitor:
                with contextlib.suppress(BrokenEnvironment):
                    monitor.ask("migrate_cancel")  # does nothing to one that has ended
                monitor.ask("cont")
                return
        except BrokenEnvironment as error:
            if time.monotonic() > deadline:
                raise StandsStill(f"it was stopped to save its state, and does not run on: {error.message}") from error
        time.sleep(PAUSE_S)


def _write_memory(monitor: Monitor, target: str, work: Work) -> None:
    monitor.ask("migrate-set-parameters", max_bandwidth=_UNLIMITED)
    # By a relative name, which no shell can misread: QEMU's working directory is the machine's.
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
