"""Workarounds, as members of a JSON object."""

from __future__ import annotations

from lab.commands.workarounds import WorkaroundsTried
from lab.comparison.workarounds import WorkaroundRow
from lab.present.json import machines


def tried(data: WorkaroundsTried) -> dict[str, object]:
    """Return the members of tried workarounds."""
    table = data.table
    return {
        "run": data.run,
        "path": str(data.path),
        "scenario": table.scenario,
        "machines": {name: machines.ran_on(machine) for name, machine in data.machines.items()},
        "without": [
            {
                "machine": name,
                "verdict": cell.verdict,
                "stalled": cell.stalled,
                "counted": cell.counted,
                "without_queue_s": table.plain_s[name],
            }
            for name, cell in table.base.items()
        ],
        "workarounds": [{"name": each.name, "title": each.title, "costs": each.costs} for each in data.known],
        "rows": [row(each) for each in table.rows],
    }


def row(data: WorkaroundRow) -> dict[str, object]:
    """Return the members of a workaround on a machine."""
    return {**vars(data), "help": data.help.value}
