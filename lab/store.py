"""Stored runs: one directory a run, written so that a crash at any moment loses nothing already gathered.

`RUN/run.json` says what was run on what and is written whole, at the start and at the end.
`RUN/MACHINE/SCENARIO/0001/` has the raw files of a trial and is there whole or not at all.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from lab.catalogue.document import Model
from lab.catalogue.era import Era
from lab.catalogue.scenario import QueuedBy, Scenario
from lab.errors import BadInput, BrokenEnvironment
from lab.files import whole_directory, write_whole

SCHEMA: Literal[1] = 1
"""Goes up when a stored run changes in a way that an older lab would misread."""

RUN = "run.json"
"""What was run on what, in a run's directory."""

LEFT_OUT = "left-out"
"""In place of trials: why a machine cannot do a scenario."""


class RanOn(Model):
    """A machine as it was when the run was made.

    Attributes:
        kernel: Its kernel release, as `uname -r` said it.
        era: How it behaves at a clash; None where that was not known.
        replica: Whether ctrewind made it so.
        title: One line about it.
        system: Its distribution, as it names itself; empty in runs older than this field.
        added: Whether its kernel is one that somebody gave the lab.
        queued_by: Who queued the packets of scenarios that leave that open: the hook module, or a rule.
    """

    kernel: str
    era: Era | None
    replica: bool
    title: str
    system: str = ""
    added: bool = False
    queued_by: QueuedBy = "nfqdns"


class Run(Model):
    """What was run on what, and when.

    Attributes:
        schema_version: The version of this format.
        id: The run's name, and its directory's.
        started: When, in UTC, as ISO 8601.
        finished: Likewise; None when the run was cut off.
        trials: How many trials each cell was to have.
        machines: By name.
        scenarios: By name, as they were.
    """

    schema_version: Literal[1]
    id: str
    started: str
    finished: str | None
    trials: int
    machines: dict[str, RanOn]
    scenarios: dict[str, Scenario]


def trial_name(machine: str, scenario: str, path: Path) -> str:
    """Give what people type for a trial.

    Args:
        machine: Its machine.
        scenario: Its scenario.
        path: Its directory, which has its number for a name.
    """
    return f"{machine}/{scenario}/{int(path.name)}"


class RunStore:
    """The runs of one lab.

    Args:
        directory: Where they lie.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def begin(self, machines: Mapping[str, RanOn], scenarios: Sequence[Scenario], trials: int) -> Run:
        """Begin a run.

        Args:
            machines: Each machine as it is, by name.
            scenarios: What is run on them.
            trials: How many of each.

        Raises:
            BrokenEnvironment: nothing can be written.
        """
        run = Run(
            schema_version=SCHEMA,
            id=self._new_directory().name,
            started=_now(),
            finished=None,
            trials=trials,
            machines=dict(machines),
            scenarios={scenario.name: scenario for scenario in scenarios},
        )
        self._write(run)
        return run

    def extend(self, run_id: str, machines: Mapping[str, RanOn], scenarios: Sequence[Scenario], trials: int) -> Run:
        """Begin to add to a stored run what `begin` would begin anew.

        Raises:
            BadInput: there is no such run, or a machine or scenario of it has become another since.
            BrokenEnvironment: nothing can be written.
        """
        run = self.get(run_id)
        given = {scenario.name: scenario for scenario in scenarios}
        for name, was, now in (
            *((name, run.machines.get(name, ran_on), ran_on) for name, ran_on in machines.items()),
            *((name, run.scenarios.get(name, scenario), scenario) for name, scenario in given.items()),
        ):
            if was != now:
                raise BadInput(
                    f"{name} is not what it was when run {run_id} was made: nothing can be added to that",
                    hint="make a run of its own: leave --into out",
                )
        extended = run.model_copy(
            update={
                "finished": None,
                "trials": max(run.trials, trials),
                "machines": {**run.machines, **machines},
                "scenarios": {**run.scenarios, **given},
            }
        )
        self._write(extended)
        return extended

    def put_together(self, parts: Sequence[Path]) -> Run:
        """Make one run of several that lie elsewhere, each with its own cells.

        Args:
            parts: The directories of those runs; their trials are linked, not copied.

        Raises:
            BadInput: one of them cannot be read.
            BrokenEnvironment: nothing can be written.
        """
        runs = [self._read(part / RUN) for part in parts]
        machines = {name: ran_on for run in runs for name, ran_on in run.machines.items()}
        scenarios = {name: scenario for run in runs for name, scenario in run.scenarios.items()}
        whole = self.begin(machines, list(scenarios.values()), max((run.trials for run in runs), default=0))
        try:
            for part in parts:
                for cell in part.glob("*/*/"):
                    target = self.path(whole) / cell.relative_to(part)
                    shutil.copytree(cell, target, copy_function=_linked)
        except (OSError, shutil.Error) as error:
            raise BrokenEnvironment(f"run {whole.id} was not stored: {error}") from error
        return self.finish(whole)

    def finish(self, run: Run) -> Run:
        """Note that a run came to its end."""
        finished = run.model_copy(update={"finished": _now()})
        self._write(finished)
        return finished

    def add_trial(self, run: Run, machine: str, scenario: str, number: int, files: Mapping[str, bytes]) -> Path:
        """Store a trial's raw files and give their directory.

        Args:
            run: The run it belongs to.
            machine: On which machine it was made.
            scenario: Of which scenario.
            number: Which trial, from 1.
            files: Its raw files, by plain names.

        Raises:
            BrokenEnvironment: nothing can be written.
        """
        path = self._directory / run.id / machine / scenario / f"{number:04d}"
        try:
            with whole_directory(path) as unfinished:
                for name, content in files.items():
                    (unfinished / name).write_bytes(content)
        except OSError as error:
            raise BrokenEnvironment(f"trial {number} of {scenario} on {machine} was not stored: {error}") from error
        return path

    def leave_out(self, run: Run, machine: str, scenario: str, reason: str) -> None:
        """Note that a machine cannot do a scenario, and why.

        Raises:
            BrokenEnvironment: nothing can be written.
        """
        write_whole(self._directory / run.id / machine / scenario / LEFT_OUT, reason + "\n")

    def left_out(self, run: Run, machine: str, scenario: str) -> str | None:
        """Give why a machine could not do a scenario; None when it could, or was not asked to."""
        path = self._directory / run.id / machine / scenario / LEFT_OUT
        return path.read_text(encoding="utf-8").strip() if path.exists() else None

    def trials(self, run: Run, machine: str, scenario: str) -> list[Path]:
        """Give the directories of a cell's trials, in order."""
        return sorted((self._directory / run.id / machine / scenario).glob("[0-9]*"))

    def path(self, run: Run) -> Path:
        """Give a run's directory."""
        return self._directory / run.id

    def newest_first(self) -> Iterator[Run]:
        """Give every stored run that can be read, the newest first."""
        for path in sorted(self._directory.glob(f"*/{RUN}"), reverse=True):
            try:
                yield self._read(path)
            except BadInput:
                continue

    def newest(self) -> Run:
        """Give the run that was made last.

        Raises:
            BadInput: none is stored yet.
        """
        run = next(self.newest_first(), None)
        if run is None:
            raise BadInput("no run is stored yet", hint="make one: lab run --help")
        return run

    def get(self, run_id: str) -> Run:
        """Give one run.

        Raises:
            BadInput: there is no such run, or another version of the lab wrote it.
        """
        path = self._directory / run_id / RUN
        if not path.exists() or Path(run_id).name != run_id:
            known = [run.id for run in self.newest_first()]
            there_are = f"there are: {', '.join(known[:10])}" if known else "none is stored yet"
            raise BadInput(f"no run is called '{run_id}'; {there_are}")
        return self._read(path)

    def _read(self, path: Path) -> Run:
        try:
            return Run.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise BadInput(
                f"{path} cannot be read as a run: {error.errors()[0]['msg']}",
                hint="it is damaged, or another version of the lab wrote it",
            ) from error

    def _write(self, run: Run) -> None:
        write_whole(self._directory / run.id / RUN, run.model_dump_json(indent=1))

    def _new_directory(self) -> Path:
        self._directory.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        for suffix in range(1, 1000):
            path = self._directory / (stamp if suffix == 1 else f"{stamp}-{suffix}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return path
        raise BrokenEnvironment(f"no free name for a run in {self._directory}")


def _linked(source: str, target: str) -> None:
    """Link a file; copy it where the two are on different disks."""
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
