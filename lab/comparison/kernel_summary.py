"""Summarizes a machine's kernel over all counted trials that arm the race, in figures and in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lab.comparison.cells import Cell

T = TypeVar("T")


@dataclass(frozen=True)
class KernelSummary:
    """A machine's kernel, summarized over the counted trials that arm the race.

    Attributes:
        machine: The machine's name.
        arms: Whether any scenario arms the race; without one the kernel's behaviour is unknown.
        armed: Number of counted, armed trials.
        stalled: Number of these that stalled.
        timeouts: The number of timeouts that each of the stalled trials waited for; None if it differs between them.
        timeout_s: The clients' retransmit timeout, in seconds; None if it differs between the scenarios that stalled.
        only_in: The scenarios in which all trials stalled, if in all others none did; else empty.
    """

    machine: str
    arms: bool
    armed: int
    stalled: int
    timeouts: int | None = None
    timeout_s: float | None = None
    only_in: tuple[str, ...] = ()


def summarize_kernel(machine: str, cells: Iterable[Cell]) -> KernelSummary:
    """Summarize the counted trials of a machine that arm the race."""
    own = [cell for cell in cells if cell.machine == machine and cell.arms]
    waits = {(round(sum_s / cell.timeout_s), cell.timeout_s) for cell in own for sum_s in cell.peaks if sum_s}
    return KernelSummary(
        machine,
        arms=bool(own),
        armed=sum(cell.counted for cell in own),
        stalled=sum(cell.stalled for cell in own),
        timeouts=_only({timeouts for timeouts, _ in waits}),
        timeout_s=_only({timeout_s for _, timeout_s in waits}),
        only_in=_only_in([cell for cell in own if cell.counted]),
    )


def _only(values: set[T]) -> T | None:
    return next(iter(values)) if len(values) == 1 else None


def _only_in(cells: Sequence[Cell]) -> tuple[str, ...]:
    stalled = tuple(cell.scenario for cell in cells if cell.stalled == cell.counted)
    mixed = any(0 < cell.stalled < cell.counted for cell in cells)
    return () if mixed or len(stalled) == len(cells) else stalled


def sentence(machine: str, cells: Iterable[Cell], called: str) -> str:
    """Return one sentence about a machine's kernel, from the counted trials that arm the race.

    Args:
        machine: The machine's name.
        cells: The cells of a comparison.
        called: The machine's displayed name, with its system.
    """
    summary = summarize_kernel(machine, cells)
    if not summary.arms:
        return f"{called}: no scenario here arms the race, so its kernel was not tested"
    if summary.armed == 0:
        return f"{called}: no trial was armed, so its kernel's behaviour is unknown"
    if summary.stalled == 0:
        return f"{called}: none of {_trials(summary.armed)} stalled"
    if summary.stalled == summary.armed:
        return _all_stalled(called, summary)
    if summary.only_in:
        return f"{called}: {summary.stalled} of {_trials(summary.armed)} stalled, all in {', '.join(summary.only_in)}"
    return f"{called}: {summary.stalled} of {_trials(summary.armed)} stalled"


def _all_stalled(called: str, summary: KernelSummary) -> str:
    if summary.timeouts is None or summary.timeout_s is None:
        return f"{called}: {summary.stalled} of {_trials(summary.armed)} stalled"
    if summary.timeouts == 1:
        timeout = f"{summary.timeout_s:g} s"
        return f"{called}: {summary.stalled} of {_trials(summary.armed)} stalled for one timeout of {timeout}"
    timeouts = f"{summary.timeouts} timeouts of {summary.timeout_s:g} s"
    return f"{called}: {summary.stalled} of {_trials(summary.armed)} stalled for {timeouts}"


def _trials(armed: int) -> str:
    return f"{armed} armed trial" if armed == 1 else f"{armed} armed trials"
