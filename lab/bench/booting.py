"""Machines: booting them, and resuming them from their saved states."""

from __future__ import annotations

import statistics
from pathlib import Path

from lab.bench.tools import REPEATS, Figures, destroy, new_session, replicas, timed
from lab.catalogue.machine import Machine
from lab.home import PROVISION, Home
from lab.image import build
from lab.image.recipe import Recipe
from lab.provider import accelerator
from lab.session import Session
from lab.work import StepEnded, Work


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


def reach(session: Session, machine: Machine, *, cold: bool) -> float:
    """Give how long it takes from a machine that is off to its first SSH command, ready for trials, in seconds."""

    def do() -> None:
        session.bring_up([machine], cold=cold, save=False)
        session.shell(machine).ask(["true"])

    took_s = timed(do)
    session.forget(machine)
    session.provider(machine).switch_off(machine)
    return took_s


def booting(directory: Path) -> Figures:
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


def warm(directory: Path) -> Figures:
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
