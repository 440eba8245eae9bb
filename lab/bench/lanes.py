"""Measures parallel trials: compared with sequential ones, and by number."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.bench import memory
from lab.bench.figure import Figure, Figures, median
from lab.bench.processor import processor_s
from lab.bench.tools import REPEATS, command, new_session, replicas, timed
from lab.bench.trials import loop_of_curls
from lab.comparison import review
from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment
from lab.provider import qemu_process
from lab.session.machine import ChosenMachine
from lab.session.session import Session

GROWTH = (1, 10, 100, 1000)
"""Numbers of parallel trials."""

LOG = "bench.log"

LOOK_S = 0.05
"""Interval between samples of a run's memory."""

BARE_CURLS = 20
"""Number of bare curls, whose processor time is the least that trials can take."""

ONE_BY_ONE = 5
"""Number of sequential trials; a hundred would take nine minutes and are extrapolated from these and a single one."""


@dataclass(frozen=True)
class Ran:
    """Costs and outcomes of a run of trials.

    Attributes:
        took_s: Duration of the command, in seconds.
        memory_mb: Its peak memory, in millions of bytes.
        machine_mb: The peak memory of the machine's QEMU during the run, in millions of bytes.
        machine_s: The processor time of the machine's QEMU, in seconds.
        armed: Number of armed trials.
        stalled: Number of those that stalled.
    """

    took_s: float
    memory_mb: float
    machine_mb: float
    machine_s: float
    armed: int
    stalled: int


def lanes(directory: Path) -> Figures:
    """Measure runs of `nfqueue` on old, through the command line, in a separate process."""
    with new_session(directory) as session:
        (machine,) = replicas(session, "old")
        session.bring_up([machine])
        session.forget(machine)
        _run(session, 1)  # not measured: fills caches
        grown: dict[int, list[Ran]] = {count: [] for count in GROWTH}
        one_by_one: list[Ran] = []
        bare_s: list[float] = []
        # In increasing order, since a guest does not return memory.
        for count in GROWTH:
            for _ in range(REPEATS):
                grown[count].append(_run(session, count))
                if count == 1:
                    one_by_one.append(_run(session, ONE_BY_ONE, "--lanes", "1"))
                    bare_s.append(_bare(session, machine))
    return figures([ran.took_s for ran in one_by_one], bare_s, grown)


def figures(one_by_one_s: Sequence[float], bare_s: Sequence[float], grown: Mapping[int, Sequence[Ran]]) -> Figures:
    """Return the figures of runs.

    Args:
        one_by_one_s: Durations of `ONE_BY_ONE` sequential trials, in seconds.
        bare_s: The machine's processor time for a bare curl, in seconds.
        grown: Runs in all lanes, by number of trials.
    """
    took = {count: median(ran.took_s for ran in runs) for count, runs in grown.items()}
    few = median(one_by_one_s)
    # The fixed cost of a run is counted once, for any number of trials.
    trial = (few - took[1]) * (1 / (ONE_BY_ONE - 1))
    hundred = few + trial * (100 - ONE_BY_ONE)
    bare = median(bare_s)
    processor = {count: median(ran.machine_s / count for ran in runs) for count, runs in grown.items()}
    return {
        "one_by_one_trial_s": trial,
        "one_by_one_100_s": hundred,
        "one_by_one_per_lanes_100": hundred / took[100],
        **_of_each("lanes_{}_s", grown, lambda ran: ran.took_s),
        **_of_each("lanes_{}_armed", grown, lambda ran: ran.armed),
        **_of_each("lanes_{}_armed_and_stalled", grown, lambda ran: ran.stalled),
        "bare_curl_processor_s": bare,
        **{f"lanes_{count}_processor_per_bare_curl": one / bare for count, one in processor.items()},
        **_of_each("lanes_{}_lab_memory_mb", grown, lambda ran: ran.memory_mb),
        **_of_each("lanes_{}_machine_memory_mb", grown, lambda ran: ran.machine_mb),
    }


def _of_each(name: str, grown: Mapping[int, Sequence[Ran]], what: Callable[[Ran], float]) -> dict[str, Figure]:
    return {name.format(count): median(what(ran) for ran in runs) for count, runs in grown.items()}


def _bare(session: Session, machine: ChosenMachine) -> float:
    """Return the machine's processor time for a bare curl, in seconds."""
    pid = _guest(session)
    before_s = processor_s(pid)
    loop_of_curls(session.shell(machine), BARE_CURLS)
    return (processor_s(pid) - before_s) / BARE_CURLS


def _guest(session: Session) -> int:
    """Return the process id of the machine's QEMU."""
    guest = qemu_process.running(session.home.machine("old"))
    if guest is None:
        raise BrokenEnvironment("old is no longer running", hint=process.last_lines(session.home.path / LOG))
    return guest.pid


def _run(session: Session, trials: int, *more: str) -> Ran:
    log = session.home.path / LOG
    guest = _guest(session)
    memory.begin(guest)
    before_s = processor_s(guest)
    peak_mb = 0.0

    def run() -> None:
        nonlocal peak_mb
        arguments = ("run", "old", "-s", "nfqueue", "-n", str(trials), "--quiet", *more)
        pid = process.start(command(session, *arguments), log=log, cwd=session.home.path)
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
            peak_mb = max(peak_mb, memory.peak_mb(pid))
            time.sleep(LOOK_S)
        if ended[1] != 0:
            raise BrokenEnvironment(f"a run of {trials} trials failed", hint=process.last_lines(log))

    took_s = timed(run)
    (cell,) = review.judge_run(session.store, session.store.newest()).cells
    return Ran(took_s, peak_mb, memory.peak_mb(guest), processor_s(guest) - before_s, cell.armed, cell.stalled)
