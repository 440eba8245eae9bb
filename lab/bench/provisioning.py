"""Measures provisioning a machine, and checking a provisioned one."""

from __future__ import annotations

from pathlib import Path

from lab.bench.figure import Figures, median
from lab.bench.tools import REPEATS, destroy, new_session, replicas, timed
from lab.provision.facts import REMOTE


def provisioning(directory: Path) -> Figures:
    """Compare the first provisioning, on a guest without the lab's programs like a new box, with the second."""
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
