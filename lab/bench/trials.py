"""A single trial: what the harness adds to curl's own time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from lab import experiment
from lab.bench.figure import Figures, median
from lab.bench.tools import REPEATS, new_session, replicas, timed
from lab.catalogue import find
from lab.errors import BrokenEnvironment
from lab.evidence import trial
from lab.home import SCENARIOS
from lab.raw_files import Ended
from lab.ssh import Shell
from lab.store import RanOn, RunStore

TRIALS = 3 * REPEATS


def loop_of_curls(shell: Shell, count: int) -> float:
    """Give what one bare curl takes in a loop in the guest, in seconds, its own start included."""
    curl = "curl -s -o /dev/null http://www.lab.test/"
    line = f"i=0; while [ $i -lt {count} ]; do {curl}; i=$((i + 1)); done"
    return timed(lambda: shell.ask(["ip", "netns", "exec", "lab-lane0", "sh", "-c", line])) / count


def trials(directory: Path) -> Figures:
    """Compare a trial with curl's own time, and with a bare curl in a loop in the guest."""
    (baseline,) = find.scenarios(SCENARIOS, ["baseline"])
    made: list[tuple[float, float]] = []
    with new_session(directory) as session:
        (machine,) = replicas(session, "today")
        session.bring_up([machine])
        shell = session.shell(machine)
        store = RunStore(directory / "runs")
        ran_on = RanOn(kernel="bench", era=machine.era, replica=machine.replica, title=machine.title)
        run = store.begin({machine.name: ran_on}, [baseline], TRIALS)
        with experiment.prepared(shell, baseline, 1):
            started = time.monotonic()
            for one in experiment.trials(shell, baseline, 1, 1, TRIALS):
                if not isinstance(one, Ended):
                    continue
                path = store.add_trial(run, machine.name, baseline.name, one.number, one.files)
                evidence = trial.read(path)
                took_s = time.monotonic() - started
                started = time.monotonic()
                timing = evidence.timing.value
                if timing is None:
                    raise BrokenEnvironment(f"a trial was not timed: {evidence.timing.problem}")
                made.append((took_s, timing.total_s))
            bare_s = [loop_of_curls(shell, REPEATS) for _ in range(REPEATS)]
    return figures(made, bare_s)


def figures(made: Sequence[tuple[float, float]], bare_s: Sequence[float]) -> Figures:
    """Give the figures of trials.

    Args:
        made: How long each took, and how much of it was curl's own time, in seconds.
        bare_s: What a bare curl in a loop in the guest took, its start included, in seconds, each time.
    """
    whole, bare = median(took_s for took_s, _ in made), median(bare_s)
    return {
        "trial_s": whole,
        "trial_beyond_curl_s": median(took_s - curl_s for took_s, curl_s in made),
        "bare_curl_in_guest_s": bare,
        "trial_per_bare_curl": whole / bare,
    }
