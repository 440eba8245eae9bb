"""`lab bench`: runs all measurements and stores each with its time and machine."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from lab import __version__
from lab.bench import history
from lab.bench.booting import booting, warm
from lab.bench.commands import commands
from lab.bench.demonstration import demonstration
from lab.bench.figure import Figure, FigureGroup, Figures
from lab.bench.history import Values
from lab.bench.image import image
from lab.bench.kernels import from_package_to_answer
from lab.bench.lanes import lanes
from lab.bench.provisioning import provisioning
from lab.bench.stored import stored
from lab.bench.surroundings import describe
from lab.bench.trials import trials
from lab.bench.verdicts import verdicts
from lab.bench.watching import watching
from lab.foundation.errors import BadInput
from lab.foundation.files import write_whole
from lab.foundation.result import Result
from lab.foundation.work import UnitsDone
from lab.session.session import Session

PARTS: Mapping[str, Callable[[Path], Figures]] = MappingProxyType(
    {
        "commands": commands,
        "stored": stored,
        "image": image,
        "booting": booting,
        "warm": warm,
        "provisioning": provisioning,
        "trials": trials,
        "lanes": lanes,
        "verdicts": verdicts,
        "kernels": from_package_to_answer,
        "watching": watching,
        "demo": demonstration,
    }
)

LATEST = Path("bench") / "latest.json"
"""In the current directory: a checkout has the figures of its version there."""

SCHEMA = 3

DIGITS = 3
"""Decimal places of a figure."""


@dataclass(frozen=True)
class Benched:
    """All measurements, new and stored.

    Attributes:
        parts: Parts by name.
        path: File in which they are stored.
        before: What earlier runs measured of the new ones, by part and name.
    """

    parts: Mapping[str, FigureGroup]
    path: Path
    before: Values


def bench(session: Session, parts: Sequence[str]) -> Result[Benched]:
    """Measure parts, all if none is given, each in a separate lab, and store the figures.

    Args:
        session: Reports each step.
        parts: Names of the parts; stored figures of the others are kept.

    Raises:
        BadInput: there is no such part.
        BrokenEnvironment: a machine could not be brought up, or went away.
    """
    for part in parts:
        if part not in PARTS:
            raise BadInput(f"there is no measurement '{part}'; there are: {', '.join(PARTS)}")
    known, before = read(LATEST), history.newest(history.HISTORY)
    wanted = tuple(parts or PARTS)
    measured: dict[str, FigureGroup] = {}
    try:
        for position, part in enumerate(wanted):
            session.work.emit(UnitsDone(None, position, len(wanted), "measurements"))
            known[part] = measured[part] = _measure(session, part)
            # At once, so that what was measured is not lost with what comes.
            write_whole(LATEST, document(known))
    finally:
        history.add(history.HISTORY, measured)
    session.work.emit(UnitsDone(None, len(wanted), len(wanted), "measurements"))
    return Result(Benched(in_order(known), LATEST, {name: before[name] for name in measured if name in before}))


def _measure(session: Session, name: str) -> FigureGroup:
    measured, load = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), os.getloadavg()[0]
    machine = describe(session.work)
    with session.work.step(f"measuring {name}"), tempfile.TemporaryDirectory(prefix="lab-bench-") as directory:
        figures = PARTS[name](Path(directory))
    return FigureGroup(
        measured, __version__, machine, round(load, 1), {key: _rounded(one) for key, one in figures.items()}
    )


def _rounded(figure: Figure) -> Figure:
    rounded = {name: round(value, DIGITS) for name, value in asdict(figure).items() if value is not None}
    return Figure(**rounded)


def in_order(parts: Mapping[str, FigureGroup]) -> dict[str, FigureGroup]:
    """Return parts in the order in which they are measured."""
    return {name: parts[name] for name in PARTS if name in parts}


def document(parts: Mapping[str, FigureGroup]) -> str:
    """Return the stored form of parts: JSON, one figure per line."""
    whole = {"schema": SCHEMA, "parts": {name: asdict(part) for name, part in in_order(parts).items()}}
    lines = json.dumps(whole, indent=1)
    return (
        re.sub(r"\{\s+(\"value\"[^{}]*?)\s+\}", lambda match: "{" + re.sub(r"\s+", " ", match[1]) + "}", lines) + "\n"
    )


def read(path: Path) -> dict[str, FigureGroup]:
    """Return the stored parts; empty when there is no such file or it has another schema."""
    try:
        stored = json.loads(path.read_text())
        if stored["schema"] != SCHEMA:
            return {}
        return {
            name: FigureGroup(**{**part, "figures": {key: Figure(**one) for key, one in part["figures"].items()}})
            for name, part in stored["parts"].items()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}
