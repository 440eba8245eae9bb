"""`lab show`: what is known of one trial, or the trials of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab import verdict
from lab.errors import BadInput
from lab.evidence import raw, trial
from lab.evidence.errors import UnreadableError
from lab.evidence.trial import Evidence
from lab.result import AS_ASKED, Result
from lab.session import Session
from lab.store import Run, trial_name
from lab.verdict import Verdict

NEWEST = "newest"
"""What people type for the run that was made last."""


@dataclass(frozen=True)
class TrialShown:
    """One trial.

    Attributes:
        name: What people type: machine, scenario and number.
        path: Where its raw files are.
        evidence: What they say.
        verdict: What follows from it.
    """

    name: str
    path: Path
    evidence: Evidence
    verdict: Verdict


@dataclass(frozen=True)
class RunShown:
    """The trials of a run.

    Attributes:
        run: What was run on what.
        trials: In the order in which they are stored.
    """

    run: Run
    trials: tuple[TrialShown, ...]


@dataclass(frozen=True)
class RawShown:
    """Lines of a raw file.

    Attributes:
        name: Which trial it is of.
        path: Where it is.
        lines: As they are; of a capture, one for each DNS message.
    """

    name: str
    path: Path
    lines: tuple[str, ...]


def show(session: Session, run_id: str, name: str | None) -> Result[TrialShown] | Result[RunShown]:
    """Judge one stored trial, or all those of a run, and give what there is to say of them.

    Args:
        session: The lab in use.
        run_id: The run, or "newest"; a trial's name alone means one of that.
        name: The trial, as MACHINE/SCENARIO/NUMBER; all of the run for None.

    Raises:
        BadInput: there is no such run or trial.
    """
    run, name, paths = _trials(session, run_id, name)
    if name is None:
        shown = tuple(_shown(run, name, *where) for name, where in paths.items())
        return Result(RunShown(run, shown), AS_ASKED)
    return Result(_shown(run, name, *_chosen(run, name, paths)), AS_ASKED)


def show_raw(session: Session, run_id: str, name: str | None, file: str, only: str | None) -> Result[RawShown]:
    """Give the lines of one of a stored trial's raw files.

    Args:
        session: The lab in use.
        run_id: The run, or "newest"; a trial's name alone means one of that.
        name: The trial, as MACHINE/SCENARIO/NUMBER.
        file: The raw file's name.
        only: A regular expression: the lines in which it is found; all of them for None.

    Raises:
        BadInput: there is no such run, trial or file, or the expression is none.
    """
    run, name, paths = _trials(session, run_id, name)
    if name is None:
        raise BadInput("raw files are those of one trial: name it", hint=f"lab show {run.id} lists them")
    directory, _ = _chosen(run, name, paths)
    there_are = ", ".join(raw.names(directory))
    if file not in there_are.split(", "):
        raise BadInput(f"trial {name} has no raw file '{file}'; there are: {there_are or 'none'}")
    try:
        pattern = raw.pattern(only) if only else None
        return Result(RawShown(name, directory / file, raw.lines(directory / file, pattern)))
    except (UnreadableError, ValueError) as error:
        raise BadInput(str(error)) from error


_Paths = dict[str, tuple[Path, str]]


def _trials(session: Session, run_id: str, name: str | None) -> tuple[Run, str | None, _Paths]:
    """Give the run, the trial's name, and where each of the run's trials is, with its scenario."""
    if name is None and "/" in run_id:
        run_id, name = NEWEST, run_id
    run = session.store.newest() if run_id == NEWEST else session.store.get(run_id)
    paths = {
        trial_name(machine, scenario, path): (path, scenario)
        for machine in run.machines
        for scenario in run.scenarios
        for path in session.store.trials(run, machine, scenario)
    }
    return run, name, paths


def _chosen(run: Run, name: str, paths: _Paths) -> tuple[Path, str]:
    if name not in paths:
        there_are = ", ".join(list(paths)[:6]) + (", ..." if len(paths) > 6 else "")  # noqa: PLR2004  a line's worth
        raise BadInput(
            f"run {run.id} has no trial '{name}'; there are: {there_are or 'none'}",
            hint=f"see them all: lab show {run.id}",
        )
    return paths[name]


def _shown(run: Run, name: str, path: Path, scenario: str) -> TrialShown:
    evidence = trial.read(path)
    return TrialShown(name, path, evidence, verdict.judge(evidence, run.scenarios[scenario]))
