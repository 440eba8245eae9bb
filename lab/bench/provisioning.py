"""Making a machine ready for trials, and finding that it is."""

from __future__ import annotations

from pathlib import Path

from lab.bench.figure import Figures, median
from lab.bench.tools import REPEATS, destroy, new_session, replicas, timed
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
        "first_s": median(first),
        "again_s": median(again),
        "again_per_first": median(again) / median(first),
    }
