"""What all measurements share: a lab of their own, its machines, its command line, and the clock."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.catalogue import find
from lab.catalogue.machine import Machine
from lab.home import MACHINES, Home
from lab.session import Session
from lab.work import Listener, Work

REPEATS = 5
"""Everything is measured so often."""


def timed(do: Callable[[], object]) -> float:
    """Give how long something takes, in seconds."""
    started = time.monotonic()
    do()
    return time.monotonic() - started


@contextmanager
def new_session(directory: Path, *listeners: Listener) -> Iterator[Session]:
    """Give a lab of its own on the user's image cache, and destroy its machines at the end."""
    home = Home(directory, Home.from_environment().cache, directory / "no-config.toml")
    with Session(home, Work(*listeners)) as session:
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


def command(session: Session, *arguments: str) -> Sequence[str]:
    """Give how a person would run the lab of a session, as a program and its arguments."""
    home = session.home
    own = [f"LAB_HOME={home.path}", f"LAB_CACHE={home.cache}", f"LAB_CONFIG={home.config}", "LAB_PROVIDER=qemu"]
    return ["env", *own, sys.executable, "-m", "lab", *arguments]
