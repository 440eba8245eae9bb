"""Formats every command's result for a terminal: maps each result type to a function."""

from __future__ import annotations

from rich.console import RenderableType

from lab.foundation.printable import cleaned
from lab.present.dispatch import SHARED, function_for

FUNCTIONS = {
    **SHARED,
    "CommandOutput": "trials.printed",
    "MatrixMade": "matrix.matrix",
    "TrialShown": "timeline.timeline",
}

OWN_LINES = frozenset({"BringUpPlan", "Planned"})
"""Results with texts of several lines that the lab itself makes: scripts and a Vagrantfile."""


def render(data: object) -> RenderableType:
    """Format a result's data; each name and message in it is printed on one line."""
    shown = data if type(data).__name__ in OWN_LINES else cleaned(data)
    laid_out: RenderableType = function_for(data, FUNCTIONS, "lab.present.text")(shown)
    return laid_out
