"""Formats lists of steps and incidents, and handouts, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType

from lab.commands.handout import HandoutWritten
from lab.commands.lesson import StepsListed
from lab.commands.mystery import MysteriesListed
from lab.present.text.spoken import line
from lab.present.text.tables import listed, verbatim


def steps(data: StepsListed) -> RenderableType:
    """Return a table with a row per step."""
    return listed(data.steps)


def mysteries(data: MysteriesListed) -> RenderableType:
    """Return a table with a row per incident."""
    return listed(data.mysteries)


def handout(data: HandoutWritten) -> RenderableType:
    """Return the paths, and the steps that have no output."""
    paths = [verbatim(str(path)) for path in data.paths]
    missing = [line(f"without outputs, because the lesson did not reach them: {', '.join(data.not_walked)}")]
    return Group(*paths, *(missing if data.not_walked else []), line(f"with the outputs of run {data.run}", "dim"))
