"""Stored runs: one directory per run, written so that a crash never loses gathered files.

`RUN/run.json` describes the machines and scenarios; it is written atomically, at the start and at the end.
`RUN/MACHINE/SCENARIO/0001/` has the raw files of a trial; it is created atomically.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from lab.catalogue.scenario import Scenario
from lab.foundation import regular
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.files import whole_directory, write_whole
from lab.runs import cell_file, damage, layout
from lab.runs.damage import DamagedRunError
from lab.runs.names import NEWEST, choose
from lab.runs.run import RUN, SCHEMA, RanOn, Run

LEFT_OUT = "left-out"
"""File name, in place of trials, of the reason why a machine cannot run a scenario."""


def trial_name(machine: str, scenario: str, path: Path) -> str:
    """Return a trial's name as typed on the command line.

    Args:
        machine: Its machine.
        scenario: Its scenario.
        path: Its directory, named by its number.
    """
    return f"{machine}/{scenario}/{int(path.name)}"


class RunStore:
    """The runs of one lab.

    Args:
        directory: The directory of the runs.
        warn: Takes a line about each damaged run that is passed over.
    """

    def __init__(self, directory: Path, warn: Callable[[str], object] = lambda _: None) -> None:
        self._directory = directory
        self._warn = warn
        self._named: set[str] = set()

    def begin(self, machines: Mapping[str, RanOn], scenarios: Sequence[Scenario], trials: int) -> Run:
        """Create a run.

        Args:
            machines: The machines by name.
            scenarios: The scenarios to run.
            trials: Number of trials per cell.

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
        """Extend a stored run by machines, scenarios and trials.

        Raises:
            BadInput: there is no such run, or a machine or scenario of it has changed.
            BrokenEnvironment: nothing can be written.
        """
        run = self.get(run_id)
        scenarios_by_name = {scenario.name: scenario for scenario in scenarios}
        for name, was, now in (
            *((name, run.machines.get(name, ran_on), ran_on) for name, ran_on in machines.items()),
            *((name, run.scenarios.get(name, scenario), scenario) for name, scenario in scenarios_by_name.items()),
        ):
            if was != now:
                raise BadInput(
                    f"{name} has changed since run {run_id}: the run cannot be extended",
                    hint="start a new run: omit --into",
                )
        extended = run.model_copy(
            update={
                "finished": None,
                "trials": max(run.trials, trials),
                "machines": {**run.machines, **machines},
                "scenarios": {**run.scenarios, **scenarios_by_name},
            }
        )
        self._write(extended)
        return extended

    def merge(self, parts: Sequence[Path]) -> Run:
        """Merge several run directories, each with its own cells, into one run.

        Args:
            parts: The directories of the runs; their trials are linked, not copied.

        Raises:
            BadInput: one of them cannot be read.
            BrokenEnvironment: nothing can be written.
        """
        runs = [damage.read(part, is_elsewhere=True) for part in parts]
        machines = {name: ran_on for run in runs for name, ran_on in run.machines.items()}
        scenarios = {name: scenario for run in runs for name, scenario in run.scenarios.items()}
        whole = self.begin(machines, list(scenarios.values()), max((run.trials for run in runs), default=0))
        try:
            for part in parts:
                for cell in part.glob("*/*/"):
                    target = self.path(whole) / cell.relative_to(part)
                    # A cell's description is the whole run's, and what is hidden is nothing of a run's.
                    ignored = shutil.ignore_patterns(cell_file.FILE, ".*")
                    shutil.copytree(cell, target, symlinks=True, ignore=ignored, copy_function=_link)
                    cell_file.write(target, whole, cell.parent.name, cell.name)
        except (OSError, shutil.Error) as error:
            raise BrokenEnvironment(f"run {whole.id} was not stored: {error}") from error
        return self.finish(whole)

    def finish(self, run: Run) -> Run:
        """Record the end of a run."""
        finished = run.model_copy(update={"finished": _now()})
        self._write(finished)
        return finished

    def add_trial(self, run: Run, machine: str, scenario: str, number: int, files: Mapping[str, bytes]) -> Path:
        """Store a trial's raw files, and return their directory.

        Args:
            run: The run.
            machine: The machine's name.
            scenario: The scenario's name.
            number: Trial number, from 1.
            files: Its raw files, by plain names.

        Raises:
            BrokenEnvironment: nothing can be written.
        """
        path = self._directory / run.id / machine / scenario / f"{number:04d}"
        try:
            cell_file.write(path.parent, run, machine, scenario)
            with whole_directory(path) as unfinished:
                for name, content in files.items():
                    (unfinished / name).write_bytes(content)
        except OSError as error:
            raise BrokenEnvironment(f"trial {number} of {scenario} on {machine} was not stored: {error}") from error
        return path

    def leave_out(self, run: Run, machine: str, scenario: str, reason: str) -> None:
        """Record that a machine cannot run a scenario, with the reason.

        Raises:
            BrokenEnvironment: nothing can be written.
        """
        cell = self._directory / run.id / machine / scenario
        try:
            cell_file.write(cell, run, machine, scenario)
            write_whole(cell / LEFT_OUT, reason + "\n")
        except OSError as error:
            raise BrokenEnvironment(f"run {run.id} was not stored: {error}") from error

    def left_out(self, run: Run, machine: str, scenario: str) -> str | None:
        """Return why a machine could not run a scenario; None when it could, or was not requested to."""
        try:
            return regular.text(self._directory / run.id / machine / scenario / LEFT_OUT).strip()
        except OSError:
            return None

    def trials(self, run: Run, machine: str, scenario: str) -> list[Path]:
        """Return the directories of a cell's trials, in order."""
        return layout.trials(self._directory / run.id / machine / scenario)

    def has_any(self, run: Run, machine: str, scenario: str) -> bool:
        """Return whether a cell has trials, or a reason why it has none."""
        cell = self._directory / run.id / machine / scenario
        return layout.has_trials(cell) or bool(self.left_out(run, machine, scenario))

    def path(self, run: Run) -> Path:
        """Return a run's directory."""
        return self._directory / run.id

    def directories(self) -> list[Path]:
        """Return the directories of all runs, the newest first; damaged ones are among them, empty ones are not."""
        return [path for path in layout.runs(self._directory) if (path / RUN).exists() or layout.finished_trials(path)]

    def directory(self, typed: str) -> Path:
        """Return the directory of a run, which may be damaged.

        Args:
            typed: Its name, the beginning of it, or "newest".

        Raises:
            BadInput: there is no such run.
        """
        return self._directory / choose(typed, [path.name for path in self.directories()])

    def newest_first(self) -> Iterator[Run]:
        """Yield all readable runs, the newest first, and warn of each one that is not."""
        for path in self.directories():
            try:
                yield damage.read(path)
            except DamagedRunError as damaged:
                if damaged.id not in self._named:
                    self._named.add(damaged.id)
                    self._warn(damaged.warning)

    def newest(self) -> Run:
        """Return the newest run.

        Raises:
            BadInput: no run is stored.
        """
        run = next(self.newest_first(), None)
        if run is None:
            raise BadInput("no run is stored yet", hint="start one: lab run --help")
        return run

    def get(self, typed: str) -> Run:
        """Return one run.

        Args:
            typed: Its name, the beginning of it, or "newest".

        Raises:
            BadInput: there is no such run, it is damaged, or another version of the lab wrote it.
        """
        return self.newest() if typed == NEWEST else damage.read(self.directory(typed))

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


def _link(source: str, target: str) -> None:
    """Create a hard link; copy the file where a link is impossible."""
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
