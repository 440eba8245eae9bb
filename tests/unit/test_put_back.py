"""Machines end in the state in which they were found, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from lab.catalogue.era import Era
from lab.catalogue.machine import Machine, System
from lab.cli.main import cli
from lab.cli.verb import within
from lab.commands import demo, lesson, machines
from lab.commands.lesson import LessonOptions
from lab.commands.machines import MachineStatus, Statuses
from lab.endpoint.endpoint import Endpoint
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import Home
from lab.foundation.work import Note, Work
from lab.lesson import steps
from lab.present.text import dispatch
from lab.provider.base import Provider, State
from lab.provider.choice import Choice
from lab.provider.host import Host
from lab.provider.preference import Preference, ProviderName
from lab.session.machine import ChosenMachine
from lab.session.providers import Providers
from lab.session.session import Session
from tests.unit.classroom import Remembering

REPLICAS = Preference(ProviderName.QEMU, system=System.REPLICA, asked_by="a test", system_asked_by="a test")


class Racked:
    """A provider of machines that start, and then refuse the login."""

    def __init__(self, states: dict[str, State]) -> None:
        self.states = states
        self.started: list[str] = []

    def state(self, machine: Machine) -> State:
        """Return the machine's state."""
        return self.states[machine.name]

    def prepare(self, machines: Sequence[Machine]) -> None:
        """Need nothing."""

    def up(self, machine: Machine) -> Endpoint:
        """Start it, in vain."""
        self.states[machine.name] = State.RUNNING
        self.started.append(machine.name)
        return self.endpoint(machine)

    def endpoint(self, machine: Machine) -> Endpoint:
        """Refuse the login."""
        raise BrokenEnvironment(f"{machine.name} refuses the login")

    def switch_off(self, machine: Machine) -> None:
        """Cut its power."""
        self.states[machine.name] = State.HALTED

    halt = switch_off

    def destroy(self, machine: Machine) -> None:
        """Remove it."""
        self.states[machine.name] = State.ABSENT


class Rack(Providers):
    """The one provider, for every choice."""

    def __init__(self, home: Home, work: Work, racked: Racked) -> None:
        super().__init__(home, work, Host(home, work))
        self._racked = racked

    def by_choice(self, _choice: Choice) -> Provider:
        """Return it."""
        return self._racked

    def embedded(self, _machine: ChosenMachine) -> None:
        """Return none: it saves no states."""


def session(tmp_path: Path, racked: Racked, notes: list[str] | None = None) -> Session:
    """Return a session of a lab with these machines, whose notes are kept."""
    home = Home(tmp_path / "home", tmp_path / "cache", tmp_path / "config.toml")
    work = Work(lambda event: notes.append(event.text) if notes is not None and isinstance(event, Note) else None)
    for name, state in racked.states.items():
        if state is not State.ABSENT:
            home.machine(name).mkdir(parents=True, exist_ok=True)
    return Session(home, work, providers=Rack(home, work, racked))


STATES = [
    {"old": State.HALTED, "new": State.ABSENT, "today": State.ABSENT},
    {"old": State.ABSENT, "new": State.HALTED, "today": State.HALTED},
    {"old": State.RUNNING, "new": State.HALTED, "today": State.ABSENT},
]


@pytest.mark.parametrize("before", STATES, ids=str)
def test_a_lesson_that_fails_leaves_machines_as_they_were(tmp_path: Path, before: dict[str, State]) -> None:
    """Halted ones are halted again, absent ones absent; a running one is not touched."""
    racked = Racked(dict(before))
    with session(tmp_path, racked) as lab, pytest.raises(BrokenEnvironment, match="refuses the login"):
        lesson.hold(
            lab, Remembering(), lambda words: within(cli, lab, words), steps.find(steps.OWN, None), LessonOptions()
        )

    assert racked.started
    assert racked.states == before


def test_a_lesson_that_keeps_its_machines_leaves_them_up(tmp_path: Path) -> None:
    """With --keep, as it says."""
    racked = Racked({"old": State.HALTED, "new": State.ABSENT, "today": State.ABSENT})
    with session(tmp_path, racked) as lab, pytest.raises(BrokenEnvironment):
        lesson.hold(
            lab,
            Remembering(),
            lambda words: within(cli, lab, words),
            steps.find(steps.OWN, None),
            LessonOptions(keep=True),
        )

    assert racked.states["old"] is State.RUNNING


@pytest.mark.parametrize("before", STATES, ids=str)
def test_a_demonstration_that_fails_leaves_machines_as_they_were(tmp_path: Path, before: dict[str, State]) -> None:
    """By the same mechanism."""
    racked = Racked(dict(before))
    with session(tmp_path, racked) as lab, pytest.raises(BrokenEnvironment, match="refuses the login"):
        demo.demo(lab, 1, keep=False)

    assert racked.states == before


def test_up_without_names_says_first_what_it_starts(tmp_path: Path) -> None:
    """Three machines are more than most people expect."""
    notes: list[str] = []
    racked = Racked(dict.fromkeys(("old", "new", "today"), State.ABSENT))
    with session(tmp_path, racked, notes) as lab, pytest.raises(BrokenEnvironment):
        machines.up(lab, [], REPLICAS, stap=False)
    assert notes[0] == "starting all machines: new, old, today"

    notes.clear()
    with session(tmp_path, racked, notes) as lab, pytest.raises(BrokenEnvironment):
        machines.up(lab, ["old"], REPLICAS, stap=False)
    assert not any(note.startswith("starting") for note in notes)


@pytest.mark.parametrize("width", [80, 120])
def test_the_states_of_machines_are_a_table(width: int) -> None:
    """A row each, also with the longest kernel, hypervisor and name; nothing is broken."""
    one = MachineStatus(
        "old",
        "conntrack as on CentOS 7.0 (3.10.0-123)",
        State.RUNNING,
        "vagrant (virtualbox)",
        Era.RELOOKUP,
        System.REPLICA,
        replica=True,
        added=False,
        kernel="6.1.0-56-cloud-amd64",
        provisioned=True,
        address="127.0.0.1:42345",
        saved=True,
    )
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(dispatch.render(Statuses((one, one))))
    heading, *rows = [line.rstrip() for line in captured.get().splitlines()]

    assert heading.split() == ["machine", "state", "by", "era", "kernel"]
    assert [row.split()[-1] for row in rows[:2]] == ["6.1.0-56-cloud-amd64"] * 2
    assert "SSH at 127.0.0.1:42345" in " ".join(rows)
