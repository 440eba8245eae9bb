"""Trials side by side: against one after another, and how they grow in number."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import process, review
from lab.bench import memory
from lab.bench.figure import Figure, Figures, median
from lab.bench.tools import REPEATS, command, new_session, replicas, timed
from lab.errors import BrokenEnvironment
from lab.provider import qemu_process
from lab.session import Session

GROWTH = (1, 10, 100, 1000)
"""So many trials at once."""

LOOK_S = 0.05
"""Between two looks at the memory of a run."""

ONE_BY_ONE = 5
"""A hundred one by one would take nine minutes: from so many, and from one alone, it is extrapolated."""


@dataclass(frozen=True)
class Ran:
    """What a run of trials cost, and what became of them.

    Attributes:
        took_s: How long the command took, in seconds.
        memory_mb: The most memory that it had at once, in millions of bytes.
        machine_mb: The most that the machine's QEMU had meanwhile, likewise.
        armed: How many trials were armed.
        stalled: How many of those stalled.
    """

    took_s: float
    memory_mb: float
    machine_mb: float
    armed: int
    stalled: int


def lanes(directory: Path) -> Figures:
    """Measure runs of `nfqueue` on old, by the command that people type, which is a process of its own."""
    with new_session(directory) as session:
        (machine,) = replicas(session, "old")
        session.bring_up([machine])
        session.forget(machine)
        _run(session, 1)  # what is read for the first time is not measured
        grown: dict[int, list[Ran]] = {count: [] for count in GROWTH}
        one_by_one: list[Ran] = []
        # From few to many, since a guest gives no memory back.
        for count in GROWTH:
            for _ in range(REPEATS):
                grown[count].append(_run(session, count))
                if count == 1:
                    one_by_one.append(_run(session, ONE_BY_ONE, "--lanes", "1"))
    return figures([ran.took_s for ran in one_by_one], grown)


def figures(one_by_one_s: Sequence[float], grown: Mapping[int, Sequence[Ran]]) -> Figures:
    """Give the figures of runs.

    Args:
        one_by_one_s: How long `ONE_BY_ONE` trials took one after another, in seconds, each time.
        grown: What runs in all lanes cost, by their number of trials.
    """
    took = {count: median(ran.took_s for ran in runs) for count, runs in grown.items()}
    few = median(one_by_one_s)
    # What a run costs beyond its trials is there once, however many they are.
    trial = (few - took[1]) * (1 / (ONE_BY_ONE - 1))
    hundred = few + trial * (100 - ONE_BY_ONE)
    return {
        "one_by_one_trial_s": trial,
        "one_by_one_100_s": hundred,
        "one_by_one_per_lanes_100": hundred / took[100],
        **_of_each("lanes_{}_s", grown, lambda ran: ran.took_s),
        **_of_each("lanes_{}_armed", grown, lambda ran: ran.armed),
        **_of_each("lanes_{}_armed_and_stalled", grown, lambda ran: ran.stalled),
        **_of_each("lanes_{}_lab_memory_mb", grown, lambda ran: ran.memory_mb),
        **_of_each("lanes_{}_machine_memory_mb", grown, lambda ran: ran.machine_mb),
    }


def _of_each(name: str, grown: Mapping[int, Sequence[Ran]], what: Callable[[Ran], float]) -> dict[str, Figure]:
    return {name.format(count): median(what(ran) for ran in runs) for count, runs in grown.items()}


def _run(session: Session, trials: int, *more: str) -> Ran:
    log = session.home.path / "bench.log"
    guest = qemu_process.running(session.home.machine("old"))
    if guest is None:
        raise BrokenEnvironment("old does not run any more", hint=process.last_lines(log))
    memory.begin(guest.pid)
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
    (cell,) = review.of_run(session.store, session.store.newest()).cells
    return Ran(took_s, peak_mb, memory.peak_mb(guest.pid), cell.armed, cell.stalled)
