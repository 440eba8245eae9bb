"""Making a machine ready for trials, and finding that it is."""

from __future__ import annotations

import statistics
from pathlib import Path

from lab.bench.tools import REPEATS, Figures, destroy, new_session, replicas, timed
from lab.provision.facts import REMOTE


def provisioning(directory: Path) -> Figures:
    """Compare a second time with the first, on a guest that has none of the lab's own programs yet, as a box comes."""
    first: list[float] = []
    again: list[float] = []
    with new_session(directory) as session:
        (machine,) = replicas(session, "old")
        for _ in range(REPEATS):
            session.provider(machine).up(machine)
            session.shell(machine).ask(["rm", "-r", REMOTE])
            first.append(timed(lambda: session.provisioned(machine)))
            again.append(timed(lambda: session.provisioned(machine)))
            destroy(session, machine)
    return {
        "first_s": statistics.median(first),
        "again_s": statistics.median(again),
        "again_per_first": statistics.median(again) / statistics.median(first),
    }
