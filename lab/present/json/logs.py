"""Formats a machine's log as members of a JSON object."""

from __future__ import annotations

from lab.commands.logs import MachineLog


def logged(data: MachineLog) -> dict[str, object]:
    """Return the members of a log."""
    return {"machine": data.machine, "path": str(data.path), "lines": [vars(line) for line in data.lines]}
