"""Measures booting machines, and restoring them from their saved states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.bench.figure import Figures, median
from lab.bench.surroundings import KERNEL
from lab.bench.tools import REPEATS, command, destroy, new_session, replicas, timed
from lab.foundation import process
from lab.foundation.home import PROVISION, Home
from lab.foundation.work import StepEnded, Work
from lab.image import build
from lab.image.recipe import Recipe
from lab.provider import accelerator
from lab.session.machine import ChosenMachine
from lab.session.session import Session

COMMAND_BOUND_S = 600.0
"""Timeout for bringing one machine up, even on a busy host."""


def first_command(session: Session) -> float:
    """Return the time in seconds from a cached image to the first SSH command on old."""
    (machine,) = replicas(session, "old")

    def reach() -> None:
        session.provider(machine).up(machine)
        session.shell(machine).ask(["true"])

    took_s = timed(reach)
    destroy(session, machine)
    return took_s


def up(session: Session, *names: str) -> float:
    """Return the time in seconds of `lab up` for these machines, with a cached image."""
    machines = replicas(session, *names)
    took_s = timed(lambda: session.bring_up(machines))
    destroy(session, *machines)
    return took_s


def reach(session: Session, machine: ChosenMachine, *, cold: bool) -> float:
    """Return the time in seconds from a stopped machine to its first SSH command, ready for trials."""

    def do() -> None:
        session.bring_up([machine], cold=cold, save=False)
        session.shell(machine).ask(["true"])

    took_s = timed(do)
    _switch_off(session, machine)
    return took_s


def reach_by_command(session: Session, machine: ChosenMachine, *options: str) -> float:
    """Return the same time for the commands `lab up old` and `lab ssh old`, including both processes."""
    log = session.home.path / "bench.log"

    def do() -> None:
        for arguments in (["up", *options, machine.name], ["ssh", machine.name, "--", "true"]):
            process.run(command(session, *arguments), work=session.work, log=log, bound_s=COMMAND_BOUND_S)

    took_s = timed(do)
    _switch_off(session, machine)
    return took_s


def _switch_off(session: Session, machine: ChosenMachine) -> None:
    session.forget(machine)
    session.provider(machine).switch_off(machine)


def booting(directory: Path) -> Figures:
    """Compare bringing machines up with booting the bare kernel."""
    cache = Home.from_environment().cache
    image = build.ensure(Recipe.from_environment(PROVISION), cache, Work())
    kernel = image.kernel(KERNEL)
    accel = accelerator.choose(kernel, cache, Work())
    times_s: dict[str, list[float]] = {name: [] for name in ("bare_kernel_boot", "first_command", "up_one", "up_both")}
    with new_session(directory) as session:
        for _ in range(REPEATS):
            times_s["bare_kernel_boot"].append(
                timed(lambda: accelerator.boots(accel, kernel, Work(), bound_s=COMMAND_BOUND_S))
            )
            times_s["first_command"].append(first_command(session))
            times_s["up_one"].append(up(session, "old"))
            times_s["up_both"].append(up(session, "old", "new"))
    return figures_of_booting(times_s)


def figures_of_booting(times_s: Mapping[str, Sequence[float]]) -> Figures:
    """Return the figures of times in seconds."""
    took = {name: median(measured) for name, measured in times_s.items()}
    return {
        **{f"{name}_s": figure for name, figure in took.items()},
        "first_command_per_bare_boot": took["first_command"] / took["bare_kernel_boot"],
        "up_both_per_up_one": took["up_both"] / took["up_one"],
    }


def warm(directory: Path) -> Figures:
    """Compare restoring from a saved state with booting, alternately, and measure the cost of saving."""
    times_s: dict[str, list[float]] = {name: [] for name in ("warm_up", "cold_up", "warm_command", "cold_command")}
    ended: list[StepEnded] = []
    home = Home(directory, Home.from_environment().cache, directory / "no-config.toml")
    work = Work(lambda event: ended.append(event) if isinstance(event, StepEnded) else None)
    with Session(home, work) as session:
        (machine,) = replicas(session, "old")
        try:
            for _ in range(REPEATS):
                session.bring_up([machine], cold=True)
                _switch_off(session, machine)
            for _ in range(REPEATS):
                times_s["cold_up"].append(reach(session, machine, cold=True))
                times_s["warm_up"].append(reach(session, machine, cold=False))
                times_s["cold_command"].append(reach_by_command(session, machine, "--cold"))
                times_s["warm_command"].append(reach_by_command(session, machine))
        finally:
            destroy(session, machine)
    saving_s = [event.duration_s for event in ended if event.title == "saving its state"]
    return figures_of_warm(times_s, saving_s)


def figures_of_warm(times_s: Mapping[str, Sequence[float]], saving_s: Sequence[float]) -> Figures:
    """Return the figures of times in seconds."""
    took = {name: median(measured) for name, measured in times_s.items()}
    return {
        **{f"{name}_s": figure for name, figure in took.items()},
        "saving_s": median(saving_s),
        "warm_up_per_cold_up": took["warm_up"] / took["cold_up"],
        "warm_command_per_cold_command": took["warm_command"] / took["cold_command"],
    }
