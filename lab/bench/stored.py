"""Measures commands on stored runs: `lab compare` over a hundred thousand trials, and the report of a thousand."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat
from pathlib import Path

from lab.bench.figure import Figure, Figures, median
from lab.bench.memory import peak_in
from lab.bench.tools import REPEATS, new_home, python, timed
from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.catalogue.scenario import Scenario
from lab.foundation import process
from lab.foundation.home import SCENARIOS, Home
from lab.foundation.work import Work
from lab.judgement.kept import SETTLED_NS
from lab.lesson import mystery
from lab.runs import cell_file
from lab.runs.run import RanOn
from lab.runs.store import RunStore

RUNS, SCENARIOS_OF_RUN, TRIALS_OF_CELL = 50, 10, 100
"""With two machines, so many make a hundred thousand trials; two thousand are of the newest run."""

TRIALS_OF_REPORT = 500
"""Of each of two machines."""

BARE = ("client.err", "client.json", "client.status", "dmesg", "modules", "resolv.conf", "stat.after", "stat.before")
"""Files of a trial without evidence, with the verdict program's log."""

MOST_LINKS = 30_000
"""ext4 allows 65 000 links to a file (EXT4_LINK_MAX)."""

BOUND_S = 600.0

_PROGRAM = """
import atexit, sys
from pathlib import Path
target = Path(sys.argv.pop(1))
atexit.register(lambda: target.write_text(Path("/proc/self/status").read_text()))
from lab.cli.main import main
try:
    main()
except SystemExit as ended:
    sys.exit(0 if ended.code == 1 else ended.code)  # the recorded trial is not what each scenario expects
"""
"""Runs the command line, and writes at its end what the kernel accounts."""


def stored(directory: Path) -> Figures:
    """Compare commands over many stored trials with the same over few."""
    many, few, report = (new_home(directory / name) for name in ("many", "few", "report"))
    scenarios = find.scenarios(SCENARIOS, [])[:SCENARIOS_OF_RUN]
    for home, runs in ((many, RUNS), (few, 1)):
        for _ in range(runs):
            add_run(home, scenarios, TRIALS_OF_CELL)
    add_run(report, [one for one in scenarios if one.arms][:1], TRIALS_OF_REPORT)
    time.sleep(SETTLED_NS / 1e9)
    compared = {
        name: list(islice(_runs(home, "compare"), 1 + REPEATS)) for name, home in (("many", many), ("few", few))
    }
    page = directory / "report.html"
    reported = list(islice(_runs(report, "report", "-o", str(page)), 1 + REPEATS))
    again = {name: median(took_s for took_s, _ in runs[1:]) for name, runs in compared.items()}
    return {
        "compare_100000_first_s": Figure(compared["many"][0][0], 1),
        "compare_100000_s": again["many"],
        "compare_2000_s": again["few"],
        "compare_100000_per_2000": again["many"] / again["few"],
        "compare_100000_memory_mb": median(memory_mb for _, memory_mb in compared["many"]),
        "report_1000_first_s": Figure(reported[0][0], 1),
        "report_1000_s": median(took_s for took_s, _ in reported[1:]),
        "report_1000_mb": Figure(page.stat().st_size / 1e6, 1),
    }


def add_run(home: Home, scenarios: Sequence[Scenario], trials: int) -> None:
    """Store a run on two machines, whose trials are all the same recorded one; its files are linked, not copied.

    Args:
        home: The lab.
        scenarios: The scenarios.
        trials: How many of each scenario on each machine.
    """
    store = RunStore(home.runs)
    machines = {
        name: RanOn(kernel="3.10.0-1127", era=era, system=System.KERNEL, title=name)
        for name, era in (("old", Era.DROP), ("new", Era.RESOLVE))
    }
    run = store.begin(machines, scenarios, trials)
    sources = _sources(home.path / "sources")
    for machine in machines:
        for scenario in scenarios:
            cell = store.path(run) / machine / scenario.name
            cell_file.write(cell, run, machine, scenario.name)
            for number in range(1, trials + 1):
                trial = cell / f"{number:04d}"
                trial.mkdir()
                for source in next(sources):
                    (trial / source.name).hardlink_to(source)
    store.finish(run)


def _sources(directory: Path) -> Iterator[Sequence[Path]]:
    """Yield the files of a recorded trial without evidence, of which no one gets too many links."""
    _, recorded = mystery.find(mystery.OWN)["fixed-kernel"]

    def copies() -> Iterator[Sequence[Path]]:
        while True:
            target = directory / str(time.monotonic_ns())
            target.mkdir(parents=True)
            names = [name for name in (*BARE, "verdict.jsonl") if (recorded / name).exists()]
            yield [Path(shutil.copy(recorded / name, target)) for name in names]

    return chain.from_iterable(repeat(files, MOST_LINKS) for files in copies())


def _runs(home: Home, *arguments: str) -> Iterator[tuple[float, float]]:
    """Yield duration in seconds and peak memory in MB of a command, as often as it is asked for."""
    status = home.path / "status"

    def run() -> None:
        argv = python(home, "-c", _PROGRAM, str(status), *arguments)
        process.run(argv, work=Work(), log=home.path / "bench.log", bound_s=BOUND_S)

    while True:
        took_s = timed(run)
        yield took_s, peak_in(status.read_text())
