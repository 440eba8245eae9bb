"""A guest that fails in one scenario: the trials of the others are kept, and a full disk is reported as that."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.machine import Machine, System
from lab.commands.trials import MOST_FAILURES, TrialOptions, on_machine
from lab.endpoint import disk
from lab.endpoint.endpoint import Endpoint
from lab.endpoint.ssh import ProgramFailedError, Shell
from lab.foundation.home import SCENARIOS, Home
from lab.foundation.work import Note, Work
from lab.provider.host import Host
from lab.provider.qemu import Qemu
from lab.runs.run import RanOn
from lab.session.machine import ChosenMachine
from lab.session.providers import Providers
from lab.session.session import Session
from tests.ssh_server import Answer, serving

RECORDED = Path(__file__).parents[1] / "evidence" / "replicas" / "old-nfqueue"

ROOM = b"""Filesystem 1024-blocks  Used Available Capacity Mounted on
/dev/vda        3030800 1800000   1050000      64% /
tmpfs            198532      80    198452       1% /run
"""

NO_ROOM = ROOM.replace(b"1050000", b"      0")

THREE = ["baseline", "nfqueue", "nfqueue-single-request-reopen"]


def one_trial() -> bytes:
    """Return the stream of one recorded trial."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("begun/0001/", *(f"0001/{path.name}" for path in sorted(RECORDED.iterdir())), "0001/"):
            member = tarfile.TarInfo(name)
            content = b"" if name.endswith("/") else (RECORDED / Path(name).name).read_bytes()
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class Guest:
    """A guest whose scenarios begin and end as a test says.

    Args:
        begins: Exit status of each begin, in order; 0 after the last.
        ends: Exit status of each end, in order; 0 after the last.
        room: What df prints.
    """

    def __init__(self, begins: list[int] | None = None, ends: list[int] | None = None, room: bytes = ROOM) -> None:
        self.begins, self.ends = iter(begins or []), iter(ends or [])
        self.room = room
        self.begun = 0

    def __call__(self, command: str) -> Answer:
        """Answer a command."""
        if command.startswith("df "):
            return 0, self.room, b""
        if "trials.sh" in command:
            return 0, one_trial(), b""
        if "scenario.sh begin" in command:
            self.begun += 1
            return next(self.begins, 0), b"", b"printf: I/O error\n"
        return next(self.ends, 0), b"", b"rmmod: ERROR: Module nfqdns is in use\n"


class Running(Qemu):
    """The embedded provider, with a machine that runs."""

    def __init__(self, home: Home, work: Work, endpoint: Endpoint) -> None:
        super().__init__(home, work)
        self._at = endpoint

    def endpoint(self, machine: Machine) -> Endpoint:  # noqa: ARG002  all are there
        """Return where it is."""
        return self._at


class Here(Providers):
    """Providers whose machines are at one endpoint."""

    def __init__(self, home: Home, work: Work, endpoint: Endpoint) -> None:
        super().__init__(home, work, Host(home, work))
        self._qemu = Running(home, work, endpoint)

    def of(self, _machine: ChosenMachine) -> Qemu:
        """Return a provider whose machine runs."""
        return self._qemu


@contextmanager
def session(tmp_path: Path, guest: Callable[[str], Answer], notes: list[str]) -> Iterator[Session]:
    """Return a session of a lab whose old is that guest."""
    home = Home(tmp_path / "home", tmp_path / "cache", tmp_path / "config.toml")
    work = Work(lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    with (
        serving(tmp_path, "old", guest) as endpoint,
        Session(home, work, providers=Here(home, work, endpoint)) as made,
    ):
        yield made


def make(session: Session, names: list[str] = THREE) -> None:
    """Make a trial of each scenario on old."""
    (machine,) = session.current(session.find(["old"]))
    scenarios = find.scenarios(SCENARIOS, names)
    ran_on = RanOn(kernel="6.1.0", era=machine.era, system=System.REPLICA, title="old")
    run = session.store.begin({"old": ran_on}, scenarios, 1)
    on_machine(session, run, machine, scenarios, TrialOptions(1, lanes=1))


def stored(session: Session) -> dict[str, int]:
    """Return how many trials of each scenario are stored."""
    run = session.store.get("newest")
    return {name: len(session.store.trials(run, "old", name)) for name in run.scenarios}


def test_a_scenario_that_cannot_be_cleaned_up_loses_no_trial(tmp_path: Path) -> None:
    """Neither its trials nor those after it: the next begin cleans up; a note names what is left."""
    notes: list[str] = []
    with session(tmp_path, Guest(ends=[1]), notes) as lab:
        make(lab)
        trials = stored(lab)

    assert trials == dict.fromkeys(THREE, 1)
    assert any("could not be cleaned up" in note for note in notes)
    assert "rmmod: ERROR: Module nfqdns is in use" in notes


def test_a_scenario_that_fails_does_not_end_the_others(tmp_path: Path) -> None:
    """Their trials are made and kept, and the failure is the command's error."""
    notes: list[str] = []
    with session(tmp_path, Guest(begins=[1]), notes) as lab:
        with pytest.raises(ProgramFailedError, match=r"scenario\.sh begin 1 .* failed with exit status 1"):
            make(lab)
        trials = stored(lab)

    assert trials == {"baseline": 0, "nfqueue": 1, "nfqueue-single-request-reopen": 1}
    assert any(note.startswith("baseline failed: old: ") for note in notes)


def test_a_machine_on_which_every_scenario_fails_is_given_up(tmp_path: Path) -> None:
    """A catalogue of forty scenarios does not fail forty times."""
    guest = Guest(begins=[1] * 100)
    with session(tmp_path, guest, []) as lab, pytest.raises(ProgramFailedError):
        make(lab, [])

    assert guest.begun == MOST_FAILURES


def test_a_full_disk_of_a_guest_is_reported_as_that(tmp_path: Path) -> None:
    """Whatever its programs print: dash's printf only says 'I/O error'."""
    with (
        session(tmp_path, Guest(begins=[1] * 3, room=NO_ROOM), []) as lab,
        pytest.raises(ProgramFailedError, match=r"^old: its disk is full \(/\), so that .*scenario.sh begin") as raised,
    ):
        make(lab)

    assert raised.value.hint == ("make room (lab ssh old -- df -h), or recreate it: lab destroy old && lab up old")


def test_a_failed_program_shows_its_output_while_there_is_room(tmp_path: Path) -> None:
    """The error names the program and its last lines."""
    with serving(tmp_path, "old", Guest()) as endpoint, Shell(endpoint, Work()) as shell:
        error = shell.failed(["x"], shell.run(["scenario.sh", "end"]))

    assert error.hint == "its output: rmmod: ERROR: Module nfqdns is in use"


@pytest.mark.parametrize(
    ("printed", "places"),
    [
        (ROOM.decode(), []),
        (NO_ROOM.decode(), ["/"]),
        ("", []),
        ("df: /run: No such file\n", []),
        ("Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 0 0 - - /run\n", []),
        ("Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a 10 12 -2 100% /a b\n", ["/a b"]),
    ],
)
def test_full_file_systems_are_read_from_df(printed: str, places: list[str]) -> None:
    """Also with reserved blocks in use (less than nothing), and a file system without blocks."""
    assert list(disk.full(printed)) == places
