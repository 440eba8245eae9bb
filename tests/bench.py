"""What the lab costs, as ratios within one run: `make bench` writes them to bench/ as JSON.

Every figure is a median. Seconds are only there to make the ratios readable: they belong to one machine and one hour.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from rich.console import Console

from lab import __version__, experiment, process
from lab.catalogue import find
from lab.catalogue.machine import Machine
from lab.commands.demo import demo
from lab.evidence import trial
from lab.home import MACHINES, PROJECT, PROVISION, SCENARIOS, Home
from lab.image import build
from lab.image.recipe import Recipe
from lab.provider import accelerator
from lab.raw_files import Ended
from lab.session import Session
from lab.ssh import Shell
from lab.store import RanOn, RunStore
from lab.work import StepEnded, Work

REPEATS = 5
CONSOLE = Console(stderr=True)


def timed(do: Callable[[], object]) -> float:
    """Give how long something takes, in seconds."""
    started = time.monotonic()
    do()
    return time.monotonic() - started


@contextmanager
def new_session(directory: Path) -> Iterator[Session]:
    """Give a lab of its own on the user's image cache, and destroy its machines at the end."""
    home = Home(directory, Home.from_environment().cache, directory / "no-config.toml")
    with Session(home, Work()) as session:
        try:
            yield session
        finally:
            destroy(session, *replicas(session))


def replicas(session: Session, *names: str) -> list[Machine]:
    """Give the machines of these names, all for none, as the embedded provider has them."""
    return session.as_they_are(find.machines(MACHINES, names))


def destroy(session: Session, *machines: Machine) -> None:
    """Remove machines and forget their connections."""
    for machine in machines:
        session.forget(machine)
        session.provider(machine).destroy(machine)


def first_command(session: Session) -> float:
    """Give how long it takes from nothing but the image to the first SSH command on old, in seconds."""
    (machine,) = replicas(session, "old")

    def reach() -> None:
        session.provider(machine).up(machine)
        session.shell(machine).ask(["true"])

    took_s = timed(reach)
    destroy(session, machine)
    return took_s


def up(session: Session, *names: str) -> float:
    """Give how long `lab up` takes for these machines, with a cached image, in seconds."""
    machines = replicas(session, *names)
    took_s = timed(lambda: session.bring_up(machines))
    destroy(session, *machines)
    return took_s


def booting(directory: Path) -> dict[str, float]:
    """Compare bringing machines up with booting the bare kernel."""
    cache = Home.from_environment().cache
    image = build.ensure(Recipe.from_environment(PROVISION), cache, Work())
    kernel = image.kernel("6.1")
    accel = accelerator.choose(kernel, cache, Work())
    bare: list[float] = []
    first: list[float] = []
    one: list[float] = []
    both: list[float] = []
    with new_session(directory) as session:
        for _ in range(REPEATS):
            bare.append(timed(lambda: accelerator.boots(accel, kernel, Work(), bound_s=60)))
            first.append(first_command(session))
            one.append(up(session, "old"))
            both.append(up(session, "old", "new"))
    return {
        "bare_kernel_boot_s": statistics.median(bare),
        "first_command_s": statistics.median(first),
        "up_one_s": statistics.median(one),
        "up_both_s": statistics.median(both),
        "first_command_per_bare_boot": statistics.median(first) / statistics.median(bare),
        "up_both_per_up_one": statistics.median(both) / statistics.median(one),
    }


def reach(session: Session, machine: Machine, *, cold: bool) -> float:
    """Give how long it takes from a machine that is off to its first SSH command, ready for trials, in seconds."""

    def do() -> None:
        session.bring_up([machine], cold=cold, save=False)
        session.shell(machine).ask(["true"])

    took_s = timed(do)
    session.forget(machine)
    session.provider(machine).switch_off(machine)
    return took_s


def warm(directory: Path) -> dict[str, float]:
    """Compare going on from a saved state with booting, in turn, and tell what saving costs."""
    warm: list[float] = []
    cold: list[float] = []
    ended: list[StepEnded] = []
    home = Home(directory, Home.from_environment().cache, directory / "no-config.toml")
    work = Work(lambda event: ended.append(event) if isinstance(event, StepEnded) else None)
    with Session(home, work) as session:
        (machine,) = replicas(session, "old")
        try:
            for _ in range(REPEATS):
                session.bring_up([machine], cold=True)
                session.forget(machine)
                session.provider(machine).switch_off(machine)
            for _ in range(REPEATS):
                cold.append(reach(session, machine, cold=True))
                warm.append(reach(session, machine, cold=False))
        finally:
            destroy(session, machine)
    saving = [event.duration_s for event in ended if event.title == "saving its state"]
    return {
        "warm_up_s": statistics.median(warm),
        "cold_up_s": statistics.median(cold),
        "saving_s": statistics.median(saving),
        "warm_up_per_cold_up": statistics.median(warm) / statistics.median(cold),
    }


def loop_of_curls(shell: Shell, count: int) -> float:
    """Give what one bare curl takes in a loop in the guest, in seconds, its own start included."""
    curl = "curl -s -o /dev/null http://www.lab.test/"
    line = f"i=0; while [ $i -lt {count} ]; do {curl}; i=$((i + 1)); done"
    return timed(lambda: shell.ask(["ip", "netns", "exec", "lab-lane0", "sh", "-c", line])) / count


def trials(directory: Path) -> dict[str, float]:
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
                assert timing is not None, evidence.timing.problem
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
        "lab_memory_mb": psutil.Process().memory_info().rss / 1e6,
    }


def demonstration(directory: Path) -> dict[str, float]:
    """Compare the demo with the stalls that it waits for by nature."""
    with new_session(directory) as session:
        took_s = timed(lambda: demo(session, 5, keep=False))
        (run, *_) = session.store.newest_first()
        sources = [trial.read(path).timing.value for path in session.store.trials(run, "old", "nfqueue")]
    stalls_s = sum(timing.lookup_s for timing in sources if timing)
    return {"demo_s": took_s, "stalls_s": stalls_s, "demo_per_stalls": took_s / stalls_s}


def main() -> None:
    """Measure everything and write it down."""
    figures: dict[str, float] = {}
    for name, measure in (("booting", booting), ("warm", warm), ("trials", trials), ("demo", demonstration)):
        CONSOLE.print(f"measuring: {name}")
        with tempfile.TemporaryDirectory(prefix="lab-bench-") as directory:
            figures.update(measure(Path(directory)))
    memory_mb = round(psutil.virtual_memory().total / 1e6)
    told = {
        "schema": 1,
        "version": __version__,
        "measured": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "repeats": REPEATS,
        "machine": {
            "cores": os.cpu_count(),
            "memory_mb": memory_mb,
            "kernel": platform.release(),
            "qemu": process.output_of(["qemu-system-x86_64", "--version"]).splitlines()[0],
        },
        "figures": {name: round(value, 3) for name, value in figures.items()},
    }
    bench = PROJECT / "bench"
    bench.mkdir(exist_ok=True)
    path = bench / "latest.json"
    path.write_text(json.dumps(told, indent=1) + "\n")
    Console().print(path.read_text(), markup=False, highlight=False)


if __name__ == "__main__":
    main()
