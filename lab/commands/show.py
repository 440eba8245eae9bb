"""`lab show`: one trial, or the trials of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.evidence.errors import UnreadableError
from lab.foundation.errors import BadInput
from lab.foundation.later import Later
from lab.foundation.result import AS_ASKED, Result
from lab.judgement.judged import judge_cell, judge_trial
from lab.judgement.outcome import Verdict
from lab.runs.names import NEWEST
from lab.runs.run import RanOn, Run
from lab.runs.store import trial_name

if TYPE_CHECKING:
    from lab.evidence import raw
    from lab.evidence.trial import Evidence
    from lab.session.session import Session
else:
    raw = Later("lab.evidence.raw")


@dataclass(frozen=True)
class TrialShown:
    """One trial.

    Attributes:
        name: Its name: machine, scenario and number.
        path: Where its raw files are.
        evidence: Its evidence.
        verdict: Its verdict.
        machine: The machine.
        ran_on: The machine as it was; None for evidence outside a run of this lab.
    """

    name: str
    path: Path
    evidence: Evidence
    verdict: Verdict
    machine: str = ""
    ran_on: RanOn | None = None


@dataclass(frozen=True)
class TrialListed:
    """One trial of a run.

    Attributes:
        name: Its name: machine, scenario and number.
        verdict: Its verdict without lifelines.
    """

    name: str
    verdict: Verdict


@dataclass(frozen=True)
class RunShown:
    """The trials of a run.

    Attributes:
        run: What was run on what.
        trials: In their stored order.
    """

    run: Run
    trials: tuple[TrialListed, ...]


@dataclass(frozen=True)
class RawShown:
    """Lines of a raw file.

    Attributes:
        name: The trial.
        path: Where it is.
        lines: Its lines, unchanged; of a capture, one for each DNS message.
    """

    name: str
    path: Path
    lines: tuple[str, ...]


def show(session: Session, run_id: str, name: str | None) -> Result[TrialShown] | Result[RunShown]:
    """Judge one stored trial, or all trials of a run.

    Args:
        session: The lab in use.
        run_id: The run, or "newest"; a trial's name alone means one of that.
        name: The trial, as MACHINE/SCENARIO/NUMBER; all of the run for None.

    Raises:
        BadInput: there is no such run or trial.
    """
    run, name, paths = _trials(session, run_id, name)
    if name is None:
        return Result(RunShown(run, tuple(_listed(session, run))), AS_ASKED)
    return Result(_shown(run, name, *_chosen(run, name, paths)), AS_ASKED)


def show_raw(session: Session, run_id: str, name: str | None, file: str, only: str | None) -> Result[RawShown]:
    """Return the lines of one of a stored trial's raw files.

    Args:
        session: The lab in use.
        run_id: The run, or "newest"; a trial's name alone means one of that.
        name: The trial, as MACHINE/SCENARIO/NUMBER.
        file: The raw file's name.
        only: A regular expression that selects lines; None for all.

    Raises:
        BadInput: there is no such run, trial or file, or the expression is invalid.
    """
    run, name, paths = _trials(session, run_id, name)
    if name is None:
        raise BadInput("raw files are those of one trial: name it", hint=f"lab show {run.id} lists them")
    directory, *_ = _chosen(run, name, paths)
    there_are = ", ".join(raw.list_names(directory))
    if file not in there_are.split(", "):
        raise BadInput(f"trial {name} has no raw file '{file}'; there are: {there_are or 'none'}")
    try:
        pattern = raw.compile_pattern(only) if only else None
        return Result(RawShown(name, directory / file, raw.read_lines(directory / file, pattern)))
    except (UnreadableError, ValueError) as error:
        raise BadInput(str(error)) from error


_Paths = dict[str, tuple[Path, str, str]]


def _trials(session: Session, run_id: str, name: str | None) -> tuple[Run, str | None, _Paths]:
    """Return the run, the trial's name, and where each of the run's trials is, with its machine and scenario."""
    if name is None and "/" in run_id:
        run_id, name = NEWEST, run_id
    run = session.store.get(run_id)
    paths = {
        trial_name(machine, scenario, path): (path, machine, scenario)
        for machine in run.machines
        for scenario in run.scenarios
        for path in session.store.trials(run, machine, scenario)
    }
    return run, name, paths


def _chosen(run: Run, name: str, paths: _Paths) -> tuple[Path, str, str]:
    if name not in paths:
        there_are = ", ".join(list(paths)[:6]) + (", ..." if len(paths) > 6 else "")  # noqa: PLR2004  a line's worth
        raise BadInput(
            f"run {run.id} has no trial '{name}'; there are: {there_are or 'none'}",
            hint=f"see them all: lab show {run.id}",
        )
    return paths[name]


def _listed(session: Session, run: Run) -> Iterator[TrialListed]:
    for machine in run.machines:
        for name, scenario in run.scenarios.items():
            paths = session.store.trials(run, machine, name)
            for path, verdict in zip(paths, judge_cell(paths, scenario), strict=True):
                yield TrialListed(trial_name(machine, name, path), verdict)


def _shown(run: Run, name: str, path: Path, machine: str, scenario: str) -> TrialShown:
    trial = judge_trial(path, run.scenarios[scenario])
    return TrialShown(name, path, trial.evidence, trial.verdict, machine, run.machines[machine])
