"""Converts a comparison to test cases for CI reports: each scenario on a machine is a case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lab.commands.matrix import MatrixMade
from lab.comparison.cells import Cell, CellVerdict, Comparison
from lab.foundation.printable import printable
from lab.present.figures import seconds
from lab.present.sentences import called


class CaseStatus(StrEnum):
    """The result of a case."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERROR = "error"
    """The case could not be run."""


@dataclass(frozen=True)
class ScenarioCase:
    """A scenario on a machine.

    Attributes:
        machine: The machine's name.
        called: Its name for readers, with its system.
        scenario: The scenario.
        ended: Its result.
        sentence: What happened, in one line.
        took_s: Median lookup time in seconds; None without lookups.
    """

    machine: str
    called: str
    scenario: str
    ended: CaseStatus
    sentence: str
    took_s: float | None = None


def of_comparison(data: Comparison) -> tuple[ScenarioCase, ...]:
    """Return a comparison's cases; those that were left out come last."""
    left_out = [
        ScenarioCase(
            one.machine,
            clean(called(one.machine, data.machines[one.machine])),
            clean(one.scenario),
            CaseStatus.SKIPPED,
            clean(f"left out: {one.reason}"),
        )
        for one in data.left_out
    ]
    return (*(_test(cell, data) for cell in data.cells), *left_out)


def of_matrix(data: MatrixMade) -> tuple[ScenarioCase, ...]:
    """Return a matrix's cases; a cell that was not made and a kernel that could not be obtained are errors."""
    return (*(of_comparison(data.comparison) if data.comparison else ()), *_not_made(data))


def clean(text: str) -> str:
    """Return a text on one line, without characters that are invalid in a report."""
    return printable(" ".join(text.split()))


def _not_made(data: MatrixMade) -> Iterator[ScenarioCase]:
    for cell in data.cells:
        if cell.problem:
            yield ScenarioCase(
                cell.machine, clean(cell.machine), clean(cell.scenario), CaseStatus.ERROR, clean(cell.problem)
            )
    for kernel in data.not_run:
        yield ScenarioCase(
            kernel.name, clean(kernel.name), "kernel", CaseStatus.ERROR, clean(f"it was not run: {kernel.reason}")
        )


def _test(cell: Cell, data: Comparison) -> ScenarioCase:
    machine = called(cell.machine, data.machines[cell.machine])
    sentence = f"{cell.scenario} on {machine}: {_happened(cell)}"
    ended = _ended(cell)
    if ended is CaseStatus.SKIPPED:
        why = "no trial was armed" if cell.verdict is CellVerdict.UNARMED else "nothing is expected of this kernel here"
        sentence = f"{why}; {sentence}"
    elif cell.expected and not cell.fits:
        sentence += f"; expected: {cell.expected}"
    return ScenarioCase(cell.machine, clean(machine), clean(cell.scenario), ended, clean(sentence), cell.own_median_s)


def _ended(cell: Cell) -> CaseStatus:
    if cell.unjudged:
        return CaseStatus.FAILED
    if cell.verdict is CellVerdict.UNARMED or cell.expected is None:
        return CaseStatus.SKIPPED
    return CaseStatus.PASSED if cell.fits else CaseStatus.FAILED


def _happened(cell: Cell) -> str:
    """Return a sentence about a cell's trials."""
    armed = "armed " if cell.arms else ""
    parts = [f"{cell.stalled} of {cell.counted} {armed}trials stalled" if cell.counted else f"{cell.trials} trials"]
    parts += [f"{count} of {cell.trials} trials {outcome}" for outcome, count in cell.unjudged.items()]
    if cell.own_median_s is not None:
        parts.append(f"median {seconds(cell.own_median_s)}")
    return f"{cell.verdict}, {', '.join(parts)}"
