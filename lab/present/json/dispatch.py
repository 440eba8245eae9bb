"""Formats every command's result as one JSON object with a `schema`: maps each result type to a function."""

from __future__ import annotations

import json
from typing import Any

from lab.present.dispatch import SHARED, function_for

SCHEMA = 2
"""Incremented when readers of the previous version would misread the document.

2: a machine's `system` is its system (kernel, replica, ...); the userland's name, `system` in 1, is `distribution`.
"""

FUNCTIONS = {
    **SHARED,
    "LabError": "errors.error",
    "LessonHeld": "lesson.held",
    "MatrixMade": "comparison.matrix",
    "Solved": "lesson.solved",
    "TrialShown": "trials.trial",
}


def document(data: object) -> dict[str, Any]:
    """Return a result's data as its JSON document is read."""
    read: dict[str, Any] = json.loads(text(data))
    return read


def text(data: object) -> str:
    """Format a result's data as one JSON document."""
    return json.dumps({"schema": SCHEMA, **fields(data)}, indent=1, default=vars)


def line(data: object) -> str:
    """Return a result's data as one JSON document on one line."""
    return json.dumps({"schema": SCHEMA, **fields(data)}, default=vars)


def fields(data: object) -> dict[str, object]:
    """Return the members of a result's JSON object."""
    members: dict[str, object] = function_for(data, FUNCTIONS, "lab.present.json")(data)
    return members
