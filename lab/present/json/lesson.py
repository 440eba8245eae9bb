"""Formats lessons, mysteries and handouts as members of a JSON object."""

from __future__ import annotations

from lab.commands.handout import HandoutWritten
from lab.commands.lesson import LessonHeld, StepsListed
from lab.commands.mystery import MysteriesListed, Solved


def held(data: LessonHeld) -> dict[str, object]:
    """Return the members of a lesson."""
    scores = {"score": vars(data.score), "quiz": vars(data.quiz)}
    return {**vars(data), **scores, "path": str(data.path) if data.path else None, "language": data.language.tag}


def steps(data: StepsListed) -> dict[str, object]:
    """Return the members of a list of steps."""
    return {"steps": dict(data.steps)}


def solved(data: Solved) -> dict[str, object]:
    """Return the members of a mystery that was solved."""
    return {**vars(data), "language": data.language.tag}


def mysteries(data: MysteriesListed) -> dict[str, object]:
    """Return the members of a list of mysteries."""
    return {"mysteries": dict(data.mysteries)}


def handout(data: HandoutWritten) -> dict[str, object]:
    """Return the members of a handout."""
    return {**vars(data), "paths": [str(path) for path in data.paths]}
