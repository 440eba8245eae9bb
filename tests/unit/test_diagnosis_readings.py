"""Which readings of conntrack's counters `lab diagnose` compares: those of one network namespace."""

from __future__ import annotations

import pytest

from lab.diagnosis import readings
from lab.diagnosis.material import Reading


def reading(name: str, failed: int, *, found: int = 5000, line: int = 1) -> Reading:
    """Return a reading of conntrack -S."""
    return Reading(name, "tool", {"found": found, "insert_failed": failed, "drop": failed}, line)


def rises(*values: Reading) -> list[int]:
    """Return by how much `insert_failed` rose in each pair."""
    return [each.rises["insert_failed"] for each in readings.compare(values).counted]


@pytest.mark.parametrize(
    "names", [("x.before", "x.after"), ("x.after", "x.before"), ("pre.txt", "post.txt"), ("1", "2")]
)
def test_two_readings_are_a_pair_by_their_names_or_their_order(names: tuple[str, str]) -> None:
    """Users choose any file names."""
    earlier = names[0] if "after" not in names[0] else names[1]
    readings = [reading(name, 30 if name == earlier else 31) for name in names]

    assert rises(*readings) == [1]


def test_a_pods_and_its_nodes_readings_are_two_pairs() -> None:
    """The node's counters rose and the pod's never do; a cross pairing would show anything."""
    readings = [
        reading("pod.before", 0, found=0),
        reading("node.before", 30),
        reading("pod.after", 0, found=0),
        reading("node.after", 31),
    ]

    assert sorted(rises(*readings)) == [0, 1]


@pytest.mark.parametrize("order", [1, -1])
def test_one_reading_of_a_pod_and_one_of_its_node_are_no_rise(order: int) -> None:
    """A container's counters are 0 beside its node's, whatever was lost."""
    values = [reading("pod.txt", 0, found=0), reading("node.txt", 30)][::order]

    assert rises(*values) == []
    assert len(readings.compare(values).alone) == 2


def test_readings_that_rose_and_fell_are_reported() -> None:
    """No order makes them readings of one namespace."""
    compared = readings.compare([reading("1", 5, found=9), reading("2", 4, found=10)])

    assert compared.counted == ()
    assert "counters decreased" in compared.problems[0]


def test_one_before_and_one_after_with_different_names_are_a_pair() -> None:
    """With one of each there is no doubt."""
    assert rises(reading("monday-before.txt", 0), reading("conntrack_after_stall", 7)) == [7]
