"""Measures a single trial: the harness's overhead over curl's own time, and evidence's delay."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.bench.figure import Figures, median
from lab.bench.tools import REPEATS, new_session, replicas, timed
from lab.catalogue import find
from lab.endpoint.ssh import Shell
from lab.evidence import trial
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import SCENARIOS
from lab.runs import experiment
from lab.runs.run import RanOn
from lab.runs.store import RunStore
from lab.runs.trial_stream import Ended

TRIALS = 3 * REPEATS


def loop_of_curls(shell: Shell, count: int) -> float:
    """Return the time of one bare curl in a loop in the guest, in seconds, including its start."""
    curl = "curl -s -o /dev/null http://www.lab.test/"
    line = f"i=0; while [ $i -lt {count} ]; do {curl}; i=$((i + 1)); done"
    return timed(lambda: shell.ask(["ip", "netns", "exec", "lab-lane0", "sh", "-c", line])) / count


@dataclass(frozen=True)
class TimedTrial:
    """Times of a trial, in seconds.

    Attributes:
        whole_s: The trial, until it is stored and read.
        curl_s: curl's own time.
        lookup_s: Its lookup.
    """

    whole_s: float
    curl_s: float
    lookup_s: float


def trials(directory: Path) -> Figures:
    """Compare a trial with curl's own time, a bare curl in a loop in the guest, and a traced trial."""
    (baseline,) = find.scenarios(SCENARIOS, ["baseline"])
    with new_session(directory) as session:
        (machine,) = replicas(session, "today")
        session.bring_up([machine])
        shell = session.shell(machine)
        store = RunStore(directory / "runs")
        ran_on = RanOn(kernel="bench", era=machine.era, system=machine.kind, title=machine.title)
        run = store.begin({machine.name: ran_on}, [baseline], 2 * TRIALS)

        def make(first: int, *, evidence: bool) -> list[TimedTrial]:
            made: list[TimedTrial] = []
            with experiment.prepare(shell, baseline, 1, evidence=evidence):
                started = time.monotonic()
                for one in experiment.trials(shell, baseline, 1, first, TRIALS):
                    if not isinstance(one, Ended):
                        continue
                    path = store.add_trial(run, machine.name, baseline.name, one.number, one.files)
                    timing = trial.read(path).timing
                    if timing.value is None:
                        raise BrokenEnvironment(f"a trial was not timed: {timing.problem}")
                    made.append(TimedTrial(time.monotonic() - started, timing.value.total_s, timing.value.lookup_s))
                    started = time.monotonic()
            return made

        untraced, traced = make(1, evidence=False), make(TRIALS + 1, evidence=True)
        bare_s = [loop_of_curls(shell, REPEATS) for _ in range(REPEATS)]
    return figures(untraced, traced, bare_s)


def figures(untraced: Sequence[TimedTrial], traced: Sequence[TimedTrial], bare_s: Sequence[float]) -> Figures:
    """Return the figures of trials.

    Args:
        untraced: Trials without evidence.
        traced: Trials with evidence.
        bare_s: Durations of a bare curl in a loop in the guest, including its start, in seconds.
    """
    whole, bare = median(one.whole_s for one in untraced), median(bare_s)
    lookup, traced_lookup = (median(one.lookup_s for one in made) for made in (untraced, traced))
    return {
        "trial_s": whole,
        "trial_beyond_curl_s": median(one.whole_s - one.curl_s for one in untraced),
        "bare_curl_in_guest_s": bare,
        "trial_per_bare_curl": whole / bare,
        "lookup_s": lookup,
        "traced_lookup_s": traced_lookup,
        "traced_lookup_per_untraced": traced_lookup / lookup,
    }
