"""Trials side by side: against one after another, and how they grow in number."""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lab import process, review
from lab.bench.tools import REPEATS, Figures, new_session, replicas, timed
from lab.errors import BrokenEnvironment
from lab.session import Session

GROWTH = (1, 10, 100)
"""So many trials at once, each measured as often as any figure ..."""

MANY = 1000
"""... and so many, once: they take two minutes."""

LOOK_S = 0.05
"""Between two looks at the memory of a run."""

ONE_BY_ONE = 5
"""A hundred one by one would take nine minutes: from so many it is extrapolated."""


@dataclass(frozen=True)
class _Ran:
    """What a run of trials cost, and what became of them."""

    took_s: float
    memory_mb: float
    armed: int
    stalled: int


def lanes(directory: Path) -> Figures:
    """Measure runs of `nfqueue` on old, by the command that people type, which is a process of its own."""
    with new_session(directory) as session:
        (machine,) = replicas(session, "old")
        session.bring_up([machine])
        session.forget(machine)
        _run(session, 1)  # what is read for the first time is not measured
        one_by_one = [_run(session, ONE_BY_ONE, "--lanes", "1").took_s / ONE_BY_ONE for _ in range(REPEATS)]
        grown = {count: [_run(session, count) for _ in range(REPEATS)] for count in GROWTH}
        grown[MANY] = [_run(session, MANY)]
    took_s = {count: statistics.median(ran.took_s for ran in runs) for count, runs in grown.items()}
    hundred = grown[100]
    return {
        "one_by_one_trial_s": statistics.median(one_by_one),
        "lanes_per_one_by_one_100": took_s[100] / (100 * statistics.median(one_by_one)),
        "lanes_100_armed_least": min(ran.armed for ran in hundred),
        "lanes_100_unarmed_or_not_stalled": sum(100 - ran.stalled for ran in hundred),
        "lanes_1000_armed": grown[MANY][0].armed,
        **{f"lanes_{count}_s": took_s[count] for count in took_s},
        **{f"lanes_{count}_lab_memory_mb": max(ran.memory_mb for ran in runs) for count, runs in grown.items()},
    }


def _run(session: Session, trials: int, *more: str) -> _Ran:
    # A process of its own, so that its memory is its own, too.
    command = [sys.executable, "-m", "lab", "run", "old", "-s", "nfqueue", "-n", str(trials), "--quiet", *more]
    log = session.home.path / "bench.log"
    peak_kb = 0

    def run() -> None:
        nonlocal peak_kb
        pid = process.start(["env", f"LAB_HOME={session.home.path}", *command], log=log, cwd=session.home.path)
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
            peak_kb = max(peak_kb, _peak_kb(pid))
            time.sleep(LOOK_S)
        if ended[1] != 0:
            raise BrokenEnvironment(f"a run of {trials} trials failed", hint=process.last_lines(log))

    took_s = timed(run)
    newest = next(session.store.newest_first())
    (cell,) = review.of_run(session.store, newest).cells
    return _Ran(took_s, peak_kb * 1024 / 1e6, cell.armed, cell.stalled)


def _peak_kb(pid: int) -> int:
    """Give the most memory that a process had at once, in units of 1024 bytes: VmHWM of proc_pid_status(5).

    What wait4(2) says counts what the process was forked from, too.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
