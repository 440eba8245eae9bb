"""Measures the demonstration from start to end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lab.bench.figure import Figures, median
from lab.bench.tools import REPEATS, new_session, timed
from lab.commands.demo import demo
from lab.evidence import trial


def demonstration(directory: Path) -> Figures:
    """Compare the demo with the total of its stalls, for which it would have to wait if they were sequential."""
    measured = []
    with new_session(directory) as session:
        for _ in range(REPEATS):
            took_s = timed(lambda: demo(session, 5, keep=False))
            run = session.store.newest()
            sources = [trial.read(path).timing.value for path in session.store.trials(run, "old", "nfqueue")]
            measured.append((took_s, sum(timing.lookup_s for timing in sources if timing)))
    return figures(measured)


def figures(measured: Iterable[tuple[float, float]]) -> Figures:
    """Return the figures of some demos: duration, and total of its stalls, in seconds."""
    took_s, stalls_s = map(median, zip(*measured, strict=True))
    return {"demo_s": took_s, "stalls_s": stalls_s, "demo_per_stalls": took_s / stalls_s}
