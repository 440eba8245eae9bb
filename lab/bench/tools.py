"""Shared by all measurements: a separate lab, its machines, its command line, and timing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.catalogue import find
from lab.foundation.home import MACHINES, Home
from lab.foundation.work import Listener, Work
from lab.session.machine import ChosenMachine
from lab.session.session import Session

REPEATS = 5
"""Repetitions of each measurement."""


def timed(do: Callable[[], object]) -> float:
    """Return the duration of a call in seconds."""
    started = time.monotonic()
    do()
    return time.monotonic() - started


def new_home(directory: Path) -> Home:
    """Return a new lab with the user's image cache."""
    return Home(directory, Home.from_environment().cache, directory / "no-config.toml")


@contextmanager
def new_session(directory: Path, *listeners: Listener) -> Iterator[Session]:
    """Yield a session of a new lab with the user's image cache, and destroy its machines at the end."""
    with Session(new_home(directory), Work(*listeners)) as session:
        try:
            yield session
        finally:
            destroy(session, *replicas(session))


def replicas(session: Session, *names: str) -> list[ChosenMachine]:
    """Return the machines with these names, all if none is given, as the embedded provider runs them."""
    return session.current(find.machines(MACHINES, names))


def destroy(session: Session, *machines: ChosenMachine) -> None:
    """Remove machines and close their connections."""
    for machine in machines:
        session.forget(machine)
        session.provider(machine).destroy(machine)


def command(session: Session, *arguments: str) -> Sequence[str]:
    """Return the command line that runs the lab of a session."""
    return python(session.home, "-m", "lab", *arguments)


def python(home: Home, *arguments: str) -> Sequence[str]:
    """Return the command line of Python with these arguments, in a lab."""
    own = [
        f"LAB_HOME={home.path}",
        f"LAB_CACHE={home.cache}",
        f"LAB_CONFIG={os.devnull}",
        "LAB_PROVIDER=qemu",
        "LAB_SYSTEM=replica",
    ]
    return ["env", *own, sys.executable, *arguments]
