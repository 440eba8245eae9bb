"""`lab doctor --collect`: what `lab doctor --json` found on many machines, side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lab.foundation.errors import BadInput
from lab.foundation.language import N_
from lab.foundation.result import AS_ASKED, BROKEN, Result

MOST_BYTES = 1_000_000
"""A report of `lab doctor` has some thousand bytes."""


@dataclass(frozen=True)
class MachineReport:
    """What was found on one machine.

    Attributes:
        name: The file's name, without its suffix.
        ready: Whether the lab works there.
        lacks: What it lacks, each with what was found; or why the file says nothing.
        mend: The commands that mend it.
    """

    name: str
    ready: bool
    lacks: tuple[str, ...]
    mend: tuple[str, ...]


@dataclass(frozen=True)
class MachineReports:
    """What was found on all machines."""

    machines: tuple[MachineReport, ...]


class _ReportedCheck(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    name: str
    ok: bool
    needed: bool
    found: str


class _DoctorReport(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    checks: list[_ReportedCheck]
    mend: list[str]


def collect(directory: Path) -> Result[MachineReports]:
    """Read every report in a directory; exit status 3 when a machine is not ready.

    Args:
        directory: Files of `lab doctor --json`, each called NAME.json.

    Raises:
        BadInput: there is no such directory, or no report in it.
    """
    files = sorted(directory.glob("*.json")) if directory.is_dir() else []
    if not files:
        raise BadInput(
            f"there is no report in {directory}: no file that ends with .json",
            hint="on each machine: lab doctor --json >NAME.json",
        )
    machines = tuple(_read(file) for file in files)
    return Result(MachineReports(machines), AS_ASKED if all(one.ready for one in machines) else BROKEN)


def _read(file: Path) -> MachineReport:
    try:
        with file.open("rb") as opened:
            report = _DoctorReport.model_validate(json.loads(opened.read(MOST_BYTES)))
    except (OSError, ValueError, RecursionError):
        problem = N_("the file is no report of lab doctor --json")
        return MachineReport(file.stem, ready=False, lacks=(problem,), mend=())
    lacks = tuple(_lacks(report))
    return MachineReport(file.stem, ready=not lacks, lacks=lacks, mend=tuple(report.mend) if lacks else ())


def _lacks(report: _DoctorReport) -> Iterator[str]:
    return (f"{check.name}: {check.found}" for check in report.checks if check.needed and not check.ok)
