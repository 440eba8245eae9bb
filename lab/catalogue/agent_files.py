"""Reads the files of the program that a scenario brings along."""

from __future__ import annotations

from pathlib import Path

from lab.catalogue.agent import MOST_BYTES, AgentFile, Brought
from lab.catalogue.document import line_of
from lab.catalogue.scenario import Scenario
from lab.foundation import regular
from lab.foundation.errors import BadInput


def with_files(scenario: Scenario, path: Path) -> Scenario:
    """Return a scenario with the content of the files of the program that it brings along.

    Args:
        scenario: The scenario as read.
        path: Its file; the others are relative to it.

    Raises:
        BadInput: one is missing, too large, or outside of the directory; the message names file, line and field.
    """
    steps = tuple(
        step.model_copy(update={"files": tuple(_filled(path, number, place, file) for place, file in _files(step))})
        if isinstance(step, Brought) and step.files
        else step
        for number, step in enumerate(scenario.step)
    )
    return scenario if steps == scenario.step else scenario.model_copy(update={"step": steps})


def _files(step: Brought) -> list[tuple[int, AgentFile]]:
    return list(enumerate(step.files))


def _filled(path: Path, step: int, place: int, file: AgentFile) -> AgentFile:
    field: list[str | int] = ["step", step, "files", place, "source"]
    source = path.parent / file.source
    problem, hint = None, None
    try:
        if not source.resolve().is_relative_to(path.parent.resolve()):
            problem, hint = f"{file.source} is outside of the scenario's directory", "copy it beside the scenario"
        elif source.is_file() and source.stat().st_size > MOST_BYTES:
            problem = f"{file.source} has {source.stat().st_size} bytes, more than {MOST_BYTES}"
            hint = "a larger product comes as a Debian package: packages = [...]"
        else:
            return file.filled(regular.read(source))
    except (OSError, RuntimeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        problem, hint = f"{file.source} cannot be read: {reason}", "a file's path is relative to the scenario's file"
    line = line_of(path.read_text(encoding="utf-8"), field)
    raise BadInput(f"{path}:{line}: {'.'.join(map(str, field))}: {problem}", hint=hint)
