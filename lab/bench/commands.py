"""Measures the processor time of short commands, in times of Python's own start."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path

from lab.bench.figure import Figures, median
from lab.bench.stored import add_run
from lab.bench.tools import new_home, python
from lab.catalogue import find
from lab.foundation import process
from lab.foundation.home import SCENARIOS
from lab.foundation.work import Work

REPEATS = 20
"""A command takes some tenths of a second; the least of its times is the least disturbed one."""

BOUND_S = 60.0

SHOWN = "nfqueue-dnat"
"""The stored trials are what this scenario expects on both machines, so that `lab compare` ends with status 0."""

COMMANDS = {
    "python": ("-c", "pass"),
    "status": ("-m", "lab", "status"),
    "compare": ("-m", "lab", "compare"),
    "show": ("-m", "lab", "show"),
    "show_trial": ("-m", "lab", "show", f"old/{SHOWN}/1"),
}


def commands(directory: Path) -> Figures:
    """Compare short commands, alternately, with a Python that does nothing."""
    home = new_home(directory)
    add_run(home, find.scenarios(SCENARIOS, [SHOWN]), trials=2)
    log = directory / "bench.log"
    times_s: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(REPEATS):
        for name, arguments in COMMANDS.items():
            times_s[name].append(_processor_s(python(home, *arguments), log))
    return figures(times_s)


def figures(times_s: dict[str, list[float]]) -> Figures:
    """Return the figures of processor times in seconds; `python` is among them."""
    took = {name: median(measured) for name, measured in times_s.items()}
    ratios = {f"{name}_per_python": figure / took["python"] for name, figure in took.items() if name != "python"}
    return {**{f"{name}_processor_s": figure for name, figure in took.items()}, **ratios}


def _processor_s(argv: Sequence[str], log: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process.run(argv, work=Work(), log=log, bound_s=BOUND_S)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
