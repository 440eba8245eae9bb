"""How many lanes are used."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab import lanes
from lab.catalogue import find
from lab.home import SCENARIOS


def machine(count: int, trials: int, is_armed: Callable[[int, int], bool | None]) -> list[int]:
    """Make trials on paper as a guest makes them, and give how many lanes there were after each change.

    Those that are not armed end at once, all others five seconds later, in the order in which they began.

    Args:
        count: How many lanes there are at first.
        trials: How many are made.
        is_armed: Whether a trial is armed, by its number and by how many are being made when it begins.
    """
    lowering = lanes.Lowering(count)
    changes = [count]
    waiting: list[int] = []

    def end(number: int, *, armed: bool | None) -> None:
        if lowering.ended(number, armed=armed):
            changes.append(lowering.lanes)

    for number in range(1, trials + 1):
        while len(waiting) >= lowering.lanes:
            end(waiting.pop(0), armed=True)
        lowering.began(number)
        armed = is_armed(number, len(waiting) + 1)
        if armed:
            waiting.append(number)
        else:
            end(number, armed=armed)
    for number in waiting:
        end(number, armed=True)
    return changes


def test_lanes_are_lowered_to_what_the_machine_can_do_and_no_further() -> None:
    """Trials that began before a change say nothing about those left: else one wave leads to one lane."""

    def every_fifth_fails_in_a_crowd(number: int, at_once: int) -> bool:
        return number % 5 != 0 or at_once <= 30

    assert machine(96, 1000, every_fifth_fails_in_a_crowd) == [96, 48, 24]


def test_trials_that_are_unarmed_and_so_end_first_do_not_stand_for_all() -> None:
    """One in sixteen is few, although of the first ten to end six are such: the others take five seconds."""
    assert machine(96, 1000, lambda number, _at_once: number % 16 != 0) == [96]


def test_one_unarmed_trial_in_ten_lowers_nothing() -> None:
    """It may be chance."""
    assert machine(32, 10, lambda number, _at_once: number != 3) == [32]


def test_trials_that_do_not_tell_whether_they_were_armed_lower_nothing() -> None:
    """They failed of something else."""
    assert machine(32, 200, lambda number, _at_once: None if number % 2 else True) == [32]


def test_there_is_always_a_lane_left() -> None:
    """Lowering comes to its end at one."""
    assert machine(5, 300, lambda _number, _at_once: False) == [5, 2, 1]


@pytest.mark.parametrize(
    ("scenario", "traced", "most"),
    [("nfqueue", False, 128), ("nfqueue", True, 1), ("nfqueue-cache", False, 1), ("threads", False, 1)],
)
def test_trials_that_would_disturb_each_other_are_made_one_by_one(scenario: str, traced: object, most: int) -> None:
    """The kernel's trace has no lanes, nor has the loopback of a cache; and two threads need two processors to meet."""
    (found,) = find.scenarios(SCENARIOS, [scenario])

    assert lanes.most(found, traced=bool(traced)) == most
