"""The demonstration from end to end."""

from __future__ import annotations

from pathlib import Path

from lab.bench.tools import Figures, new_session, timed
from lab.commands.demo import demo
from lab.evidence import trial


def demonstration(directory: Path) -> Figures:
    """Compare the demo with the stalls that it waits for by nature."""
    with new_session(directory) as session:
        took_s = timed(lambda: demo(session, 5, keep=False))
        (run, *_) = session.store.newest_first()
        sources = [trial.read(path).timing.value for path in session.store.trials(run, "old", "nfqueue")]
    stalls_s = sum(timing.lookup_s for timing in sources if timing)
    return {"demo_s": took_s, "stalls_s": stalls_s, "demo_per_stalls": took_s / stalls_s}
