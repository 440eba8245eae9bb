"""`lab bench`: everything measured, and written down with the machine it was measured on."""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil

from lab import __version__, process
from lab.bench.booting import booting, warm
from lab.bench.demonstration import demonstration
from lab.bench.kernels import from_package_to_answer
from lab.bench.lanes import lanes
from lab.bench.tools import REPEATS, Figures
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
        "trials": trials,
        "lanes": lanes,
        "verdicts": verdicts,
        "kernels": from_package_to_answer,
        "demo": demonstration,
    }
)

LATEST = PROJECT / "bench" / "latest.json"


@dataclass(frozen=True)
class Benched:
    """What was measured.

    Attributes:
        measured: When, in UTC, as ISO 8601.
        version: The lab's.
        repeats: Of how many each figure is the median.
        machine: What it was measured on.
        figures: By part and name.
        path: Where it is written down.
    """

    measured: str
    version: str
    repeats: int
    machine: Mapping[str, object]
    figures: Mapping[str, Figures]
    path: Path


def bench(session: Session, parts: Sequence[str]) -> Result[Benched]:
    """Measure parts, all for none, each in a lab of its own, and write the figures down.

    Args:
        session: Told of each step.
        parts: Which; the figures of the others stay as they were written down before.

    Raises:
        BadInput: there is no such part.
        BrokenEnvironment: a machine could not be brought up, or went away.
    """
    for part in parts:
        if part not in PARTS:
            raise BadInput(f"nothing called '{part}' is measured; there are: {', '.join(PARTS)}")
    figures = _before() if parts else {}
    for part in parts or PARTS:
        with session.work.step(f"measuring {part}"), tempfile.TemporaryDirectory(prefix="lab-bench-") as directory:
            found = PARTS[part](Path(directory))
        figures[part] = {name: round(value, 3) for name, value in found.items()}
    measured = Benched(
        measured=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        version=__version__,
        repeats=REPEATS,
        machine={
            "cores": os.cpu_count(),
            "memory_mb": round(psutil.virtual_memory().total / 1e6),
            "kernel": platform.release(),
            "qemu": process.output_of(["qemu-system-x86_64", "--version"]).splitlines()[0],
        },
        figures={part: figures[part] for part in PARTS if part in figures},
        path=LATEST,
    )
    document = {"schema": 2, **{name: value for name, value in vars(measured).items() if name != "path"}}
    LATEST.parent.mkdir(exist_ok=True)
    write_whole(LATEST, json.dumps(document, indent=1) + "\n")
    return Result(measured)


def _before() -> dict[str, Figures]:
    try:
        found = json.loads(LATEST.read_text())
        return dict(found["figures"]) if found["schema"] == 2 else {}  # noqa: PLR2004  as it is written above
    except (OSError, ValueError, KeyError):
        return {}
