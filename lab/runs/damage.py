"""Reads a run's description, and describes the problem of one that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from lab.foundation import regular
from lab.foundation.errors import BadInput
from lab.foundation.language import N_
from lab.runs import layout
from lab.runs.run import RUN, SCHEMA, Run


class DamagedRunError(BadInput):
    """A run whose description cannot be read.

    Attributes:
        id: The run's name.
        problem: The problem with its run.json, in a few words.
        is_foreign: Whether another version of the lab wrote it: then it is intact and must not be changed.
        trials: Number of its finished trials.
        repair: The command that rebuilds it.
    """

    def __init__(self, message: str, *, hint: str, directory: Path, problem: str, is_foreign: bool) -> None:
        super().__init__(message, hint=hint)
        self.id = directory.name
        self.problem = problem
        self.is_foreign = is_foreign
        self.trials = layout.finished_trials(directory)
        self.repair = repair(self.id)

    @property
    def warning(self) -> str:
        """The warning of a command that skips the run."""
        if self.is_foreign:
            return N_(
                f"run {self.id} was written by another version of the lab ({self.problem}): "
                f"finished trials left out: {self.trials}"
            )
        return N_(
            f"run {self.id} is damaged ({RUN}: {self.problem}): finished trials left out: {self.trials}; "
            f"to rebuild it: {self.repair}"
        )


def repair(run_id: str) -> str:
    """Return the command that rebuilds a run's description."""
    return f"lab runs repair {run_id}"


def _damaged(directory: Path, problem: str) -> DamagedRunError:
    return DamagedRunError(
        f"{directory / RUN} cannot be read as a run: {problem}",
        hint=f"rebuild it from its trials: {repair(directory.name)}",
        directory=directory,
        problem=problem,
        is_foreign=False,
    )


def _foreign(directory: Path, version: int) -> DamagedRunError:
    return DamagedRunError(
        f"{directory / RUN} cannot be read as a run: its schema version is {version}",
        hint="another version of the lab wrote it",
        directory=directory,
        problem=N_(f"its schema version is {version}"),
        is_foreign=True,
    )


def read(directory: Path, *, is_elsewhere: bool = False) -> Run:
    """Read a run's description.

    Args:
        directory: The run's directory.
        is_elsewhere: Whether the directory is outside a store, so that its name may differ from the run's.

    Raises:
        DamagedRunError: it cannot be read.
    """
    try:
        content = regular.read(directory / RUN)
    except FileNotFoundError:
        raise _damaged(directory, N_("there is no such file")) from None
    except OSError as error:
        raise _damaged(directory, error.strerror or str(error)) from error
    try:
        run = Run.model_validate_json(content)
    except ValidationError as error:
        version = _version(content)
        if version is not None and version != SCHEMA:
            raise _foreign(directory, version) from error
        raise _damaged(directory, _short(error)) from error
    if run.id != directory.name and not is_elsewhere:
        raise _damaged(directory, N_(f"it is the description of run {run.id}"))
    return run


def _short(error: ValidationError) -> str:
    """Return the first problem as one line, without content of the file."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Invalid JSON: ")
    return " ".join((f"{place}: {message}" if place else message).split())


def _version(content: bytes) -> int | None:
    """Return the version of a run's description; None where it is not valid JSON or has none."""
    try:
        version = json.loads(content)["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return version if isinstance(version, int) else None
