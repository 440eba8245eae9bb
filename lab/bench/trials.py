"""A single trial: what the harness adds to curl's own time."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import psutil

from lab import experiment
from lab.bench.tools import REPEATS, Figures, new_session, replicas, timed
from lab.catalogue import find
from lab.errors import BrokenEnvironment
from lab.evidence import trial
from lab.home import SCENARIOS
from lab.raw_files import Ended
from lab.ssh import Shell
from lab.store import RanOn, RunStore


def loop_of_curls(shell: Shell, count: int) -> float:
    """Give what one bare curl takes in a loop in the guest, in seconds, its own start included."""
    curl = "curl -s -o /dev/null http://www.lab.test/"
    line = f"i=0; while [ $i -lt {count} ]; do {curl}; i=$((i + 1)); done"
    return timed(lambda: shell.ask(["ip", "netns", "exec", "lab-lane0", "sh", "-c", line])) / count


def trials(directory: Path) -> Figures:
    """Compare a trial with curl's own time, and with a bare curl in a loop in the guest."""
    (baseline,) = find.scenarios(SCENARIOS, ["baseline"])
    beyond: list[float] = []
    whole: list[float] = []
    bare: list[float] = []
    with new_session(directory) as session:
        (machine,) = replicas(session, "today")
        session.bring_up([machine])
        shell = session.shell(machine)
        store = RunStore(directory / "runs")
        ran_on = RanOn(kernel="bench", era=machine.era, replica=machine.replica, title=machine.title)
        run = store.begin({machine.name: ran_on}, [baseline], REPEATS)
        with experiment.prepared(shell, baseline, 1):
            started = time.monotonic()
            for made in experiment.trials(shell, baseline, 1, 1, 3 * REPEATS):
                if not isinstance(made, Ended):
                    continue
                path = store.add_trial(run, machine.name, baseline.name, made.number, made.files)
                evidence = trial.read(path)
                took_s = time.monotonic() - started
                started = time.monotonic()
                timing = evidence.timing.value
                if timing is None:
                    raise BrokenEnvironment(f"a trial was not timed: {evidence.timing.problem}")
                whole.append(took_s)
                beyond.append(took_s - timing.total_s)
            bare += [loop_of_curls(shell, REPEATS) for _ in range(REPEATS)]
        guest_mb = sum(
            found.memory_info().rss
            for found in psutil.process_iter()
            if any(str(directory) in part for part in found.cmdline()) and "qemu" in found.name()
        )
    return {
        "trial_s": statistics.median(whole),
        "trial_beyond_curl_s": statistics.median(beyond),
        "bare_curl_in_guest_s": statistics.median(bare),
        "trial_per_bare_curl": statistics.median(whole) / statistics.median(bare),
        "guest_memory_mb": guest_mb / 1e6,
    }
