"""Says of each workaround, on each machine, whether it helps and what it costs in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lab.catalogue.workaround import UNHELD, KnownWorkaround, Unfit, name_with, variant_name
from lab.comparison.cells import Cell, Comparison


class Help(StrEnum):
    """What a workaround does to a scenario."""

    HELPS = "helps"
    """Lookups stall without it, and none does with it."""
    HELPS_PARTLY = "helps partly"
    """Fewer lookups stall."""
    HELPS_NOT = "does not help"
    """As many stall."""
    FAILS = "breaks it"
    """Lookups fail with it."""
    NO_NEED = "not needed"
    """Nothing stalls without it."""
    NOT_THIS_CLIENT = "not by this client"
    """The client cannot use it."""
    UNFIT = "does not apply"
    """The scenario or the machine has nothing that it changes."""
    UNKNOWN = "unknown"
    """Trials without it, or with it, could not be judged."""


@dataclass(frozen=True)
class WorkaroundRow:
    """A workaround on a machine.

    Attributes:
        machine: The machine's name.
        workaround: The workaround's name.
        help: What it does.
        stalled: How many lookups stalled with it.
        counted: ... of how many.
        median_s: The median of the lookups that did not hold verdicts, in seconds; None without any.
        cost_s: The median minus that without a queue, in seconds; None if either is missing, or if lookups stall.
        reason: Why it was not tried, or why its trials say nothing; empty otherwise.
    """

    machine: str
    workaround: str
    help: Help
    stalled: int
    counted: int
    median_s: float | None
    cost_s: float | None
    reason: str


@dataclass(frozen=True)
class WorkaroundsTable:
    """All workarounds of one scenario.

    Attributes:
        scenario: The scenario's name.
        base: The cell without a workaround, of each machine.
        plain_s: The median lookup without a queue, in seconds, of each machine; None without trials.
        rows: The rows, by workaround, then machine.
    """

    scenario: str
    base: Mapping[str, Cell]
    plain_s: Mapping[str, float | None]
    rows: tuple[WorkaroundRow, ...]


def build(
    compared: Comparison,
    scenario: str,
    tried: Sequence[KnownWorkaround],
    unfit: Mapping[str, Unfit],
    plain: str,
) -> WorkaroundsTable:
    """Build the table of a run.

    Args:
        compared: The run's trials.
        scenario: The name of the scenario.
        tried: The workarounds, in order.
        unfit: Those that could not be applied to the scenario.
        plain: The name of the scenario without a queue.
    """
    trials = _Trials(compared, scenario)
    plain_s = {machine: _median_s(trials.cell(machine, plain)) for machine in compared.machines}
    rows = [
        _unfit(machine, each.name, unfit[each.name])
        if each.name in unfit
        else _row(trials, machine, each.name, plain_s[machine])
        for each in tried
        for machine in compared.machines
    ]
    bases = {machine: cell for machine in compared.machines if (cell := trials.cell(machine, scenario))}
    return WorkaroundsTable(scenario, bases, plain_s, tuple(rows))


class _Trials:
    """The cells of a run, by machine and scenario.

    Args:
        compared: The run's trials.
        base: The name of the scenario without a workaround.
    """

    def __init__(self, compared: Comparison, base: str) -> None:
        self.base = base
        self._cells = {(cell.machine, cell.scenario): cell for cell in compared.cells}
        self._left_out = {(left.machine, left.scenario): left.reason for left in compared.left_out}

    def cell(self, machine: str, scenario: str) -> Cell | None:
        """Return a cell; None without trials."""
        return self._cells.get((machine, scenario))

    def left_out(self, machine: str, scenario: str) -> str:
        """Return why a scenario could not be run; empty where it was."""
        return self._left_out.get((machine, scenario), "")


def _unfit(machine: str, name: str, unfit: Unfit) -> WorkaroundRow:
    kind = Help.NOT_THIS_CLIENT if unfit.by_client else Help.UNFIT
    return WorkaroundRow(machine, name, kind, 0, 0, None, None, unfit.reason)


def _row(trials: _Trials, machine: str, workaround: str, plain_s: float | None) -> WorkaroundRow:
    name = name_with(trials.base, workaround)
    cell, timed = trials.cell(machine, name), trials.cell(machine, variant_name(name, UNHELD))
    if cell is None:
        reason = trials.left_out(machine, name)
        return WorkaroundRow(machine, workaround, Help.UNFIT if reason else Help.UNKNOWN, 0, 0, None, None, reason)
    kind = _help(trials.cell(machine, trials.base), cell)
    median_s = _median_s(timed or cell)
    stalls = cell.stalled or (timed is not None and timed.stalled)
    cost_s = None if median_s is None or plain_s is None or stalls else median_s - plain_s
    unjudged = ", ".join(f"{count} of {cell.trials} {outcome}" for outcome, count in cell.unjudged.items())
    return WorkaroundRow(machine, workaround, kind, cell.stalled, cell.counted, median_s, cost_s, unjudged)


def _help(base: Cell | None, cell: Cell) -> Help:
    if not cell.counted:
        return Help.FAILS if cell.unjudged else Help.UNKNOWN
    if base is None or not base.counted:
        return Help.UNKNOWN
    if not base.stalled:
        return Help.HELPS_NOT if cell.stalled else Help.NO_NEED
    if not cell.stalled:
        return Help.HELPS
    is_better = cell.stalled / cell.counted < base.stalled / base.counted
    return Help.HELPS_PARTLY if is_better else Help.HELPS_NOT


def _median_s(cell: Cell | None) -> float | None:
    return cell.own_median_s if cell else None
