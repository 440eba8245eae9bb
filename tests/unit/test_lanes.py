"""How many lanes are used."""

from __future__ import annotations

import pytest

from lab import lanes
from lab.catalogue import find
from lab.home import SCENARIOS


def test_lanes_are_lowered_when_the_machine_cannot_keep_the_race_armed() -> None:
    """Trials that say nothing are time lost; half as many at a time may all be armed."""
    lowering = lanes.Lowering(32)
    changes = [lowering.after(armed=number % 5 != 0) for number in range(20)]

    assert changes == [*[False] * 9, True] * 2
    assert lowering.lanes == 8


def test_one_unarmed_trial_lowers_nothing() -> None:
    """One in ten may be chance."""
    lowering = lanes.Lowering(32)

    assert not any(lowering.after(armed=number != 3) for number in range(10))
    assert lowering.lanes == 32


def test_there_is_always_a_lane_left() -> None:
    """Lowering comes to its end at one."""
    lowering = lanes.Lowering(2)
    for _ in range(100):
        lowering.after(armed=False)

    assert lowering.lanes == 1


@pytest.mark.parametrize(
    ("scenario", "traced", "most"),
    [("nfqueue", False, 128), ("nfqueue", True, 1), ("nfqueue-cache", False, 1), ("threads", False, 1)],
)
def test_trials_that_would_disturb_each_other_are_made_one_by_one(scenario: str, traced: object, most: int) -> None:
    """The kernel's trace has no lanes, nor has the loopback of a cache; and two threads need two processors to meet."""
    (found,) = find.scenarios(SCENARIOS, [scenario])

    assert lanes.most(found, traced=bool(traced)) == most
