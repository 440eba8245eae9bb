"""What earlier runs of `lab bench` measured: one line of JSON for each run, added at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from lab.bench.figure import FigureGroup

HISTORY = Path("bench") / "history.jsonl"
"""In the current directory, beside the latest figures."""

Values = Mapping[str, Mapping[str, float]]
"""Figures by part and name, without their ranges."""


def line(parts: Mapping[str, FigureGroup]) -> str:
    """Return the line of a run that measured these parts."""
    return json.dumps(
        {
            "version": next((part.version for part in parts.values()), ""),
            "parts": {
                name: {
                    "measured": part.measured,
                    "cores": part.machine.get("cores"),
                    "accelerator": part.machine.get("accelerator"),
                    "load": part.load,
                    "figures": {key: figure.value for key, figure in part.figures.items()},
                }
                for name, part in parts.items()
            },
        }
    )


def add(path: Path, parts: Mapping[str, FigureGroup]) -> None:
    """Add a run that measured these parts; does nothing for none."""
    if not parts:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(line(parts) + "\n")


def newest(path: Path) -> Values:
    """Return the newest value of each figure; lines that cannot be read are passed over."""
    values: dict[str, dict[str, float]] = {}
    for text in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            for name, part in json.loads(text)["parts"].items():
                values.setdefault(name, {}).update({key: float(value) for key, value in part["figures"].items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return values
