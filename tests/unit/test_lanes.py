"""How many lanes are used."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.catalogue import find
from lab.foundation.home import SCENARIOS
from lab.runs import lanes


def machine(count: int, trials: int, is_armed: Callable[[int, int], bool | None]) -> list[int]:
    """Simulate a guest's trials and return the number of lanes after each change.

    Unarmed trials end at once, all others five seconds later, in order of their start.

    Args:
        count: Initial number of lanes.
        trials: Number of trials.
        is_armed: Whether a trial is armed, by its number and the number of running trials at its start.
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


def test_lanes_are_reduced_to_the_machines_capacity_and_no_further() -> None:
    """Trials that began before a change must not count, or one bad wave would reduce to one lane."""

    def every_fifth_fails_in_a_crowd(number: int, at_once: int) -> bool:
        return number % 5 != 0 or at_once <= 30

    assert machine(96, 1000, every_fifth_fails_in_a_crowd) == [96, 48, 24]


def test_early_unarmed_trials_do_not_represent_all() -> None:
    """One in sixteen is few, although six of the first ten to end are unarmed: armed ones take five seconds."""
    assert machine(96, 1000, lambda number, _at_once: number % 16 != 0) == [96]


def test_one_unarmed_trial_in_ten_does_not_reduce_lanes() -> None:
    """It may be chance."""
    assert machine(32, 10, lambda number, _at_once: number != 3) == [32]


def test_trials_of_unknown_arming_do_not_reduce_lanes() -> None:
    """They failed for another reason."""
    assert machine(32, 200, lambda number, _at_once: None if number % 2 else True) == [32]


def test_there_is_always_a_lane_left() -> None:
    """The reduction stops at one."""
    assert machine(5, 300, lambda _number, _at_once: False) == [5, 2, 1]


@pytest.mark.parametrize(
    ("scenario", "traced", "most"),
    [
        ("nfqueue", False, 128),
        ("nfqueue", True, 1),
        ("nfqueue-cache", False, 1),
        ("threads", False, 1),
        ("forwarded", False, 16),
    ],
)
def test_trials_that_would_disturb_each_other_are_made_one_by_one(scenario: str, traced: object, most: int) -> None:
    """The kernel's trace and a cache's loopback have no lanes, and two threads need two processors."""
    (definition,) = find.scenarios(SCENARIOS, [scenario])

    assert lanes.most(definition, traced=bool(traced)) == most
