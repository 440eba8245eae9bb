"""`lab bench`: everything measured, and each part written down with when, and on which machine."""

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
from lab.bench.booting import booting, warm
from lab.bench.demonstration import demonstration
from lab.bench.figure import Figure, Figures
from lab.bench.kernels import from_package_to_answer
from lab.bench.lanes import lanes
from lab.bench.provisioning import provisioning
from lab.bench.surroundings import describe
from lab.bench.trials import trials
from lab.bench.verdicts import verdicts
from lab.errors import BadInput
from lab.files import write_whole
from lab.home import PROJECT
from lab.result import Result
from lab.session import Session

PARTS: Mapping[str, Callable[[Path], Figures]] = MappingProxyType(
    {
        "booting": booting,
        "warm": warm,
        "provisioning": provisioning,
        "trials": trials,
        "lanes": lanes,
        "verdicts": verdicts,
        "kernels": from_package_to_answer,
        "demo": demonstration,
    }
)

LATEST = PROJECT / "bench" / "latest.json"

SCHEMA = 3

DIGITS = 3
"""Of a figure, behind the point."""


@dataclass(frozen=True)
class Part:
    """What was measured together.

    Attributes:
        measured: When it was begun, in UTC, as ISO 8601.
        version: The lab's.
        machine: What it was measured on.
        load: How many processes of others wanted a processor in the minute before: what is near to the number of cores,
            or beyond, makes the figures longer.
        figures: By name.
    """

    measured: str
    version: str
    machine: Mapping[str, object]
    load: float
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Benched:
    """What was measured, now or before.

    Attributes:
        parts: By name.
        path: Where it is written down.
    """

    parts: Mapping[str, Part]
    path: Path


def bench(session: Session, parts: Sequence[str]) -> Result[Benched]:
    """Measure parts, all for none, each in a lab of its own, and write the figures down.

    Args:
        session: Told of each step.
        parts: Which; the others stay as they were written down before.

    Raises:
        BadInput: there is no such part.
        BrokenEnvironment: a machine could not be brought up, or went away.
    """
    for part in parts:
        if part not in PARTS:
            raise BadInput(f"nothing called '{part}' is measured; there are: {', '.join(PARTS)}")
    known = read(LATEST)
    for part in parts or PARTS:
        known[part] = _measure(session, part)
        # At once, so that what was measured is not lost with what comes.
        LATEST.parent.mkdir(exist_ok=True)
        write_whole(LATEST, document(known))
    return Result(Benched(in_order(known), LATEST))


def _measure(session: Session, name: str) -> Part:
    measured, load = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), os.getloadavg()[0]
    machine = describe(session.work)
    with session.work.step(f"measuring {name}"), tempfile.TemporaryDirectory(prefix="lab-bench-") as directory:
        figures = PARTS[name](Path(directory))
    return Part(measured, __version__, machine, round(load, 1), {key: _rounded(one) for key, one in figures.items()})


def _rounded(figure: Figure) -> Figure:
    rounded = {name: round(value, DIGITS) for name, value in asdict(figure).items() if value is not None}
    return Figure(**rounded)


def in_order(parts: Mapping[str, Part]) -> dict[str, Part]:
    """Give parts in the order in which they are measured."""
    return {name: parts[name] for name in PARTS if name in parts}


def document(parts: Mapping[str, Part]) -> str:
    """Give what is written down of parts: JSON, a figure a line."""
    whole = {"schema": SCHEMA, "parts": {name: asdict(part) for name, part in in_order(parts).items()}}
    lines = json.dumps(whole, indent=1)
    return (
        re.sub(r"\{\s+(\"value\"[^{}]*?)\s+\}", lambda found: "{" + re.sub(r"\s+", " ", found[1]) + "}", lines) + "\n"
    )


def read(path: Path) -> dict[str, Part]:
    """Give the parts that were written down; none when there is no such file, or one of another form."""
    try:
        found = json.loads(path.read_text())
        if found["schema"] != SCHEMA:
            return {}
        return {
            name: Part(**{**part, "figures": {key: Figure(**one) for key, one in part["figures"].items()}})
            for name, part in found["parts"].items()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}
