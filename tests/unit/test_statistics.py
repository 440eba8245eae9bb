"""What is said of counts and of times with two peaks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.statistics import difference, peaks, share_interval


def test_the_interval_of_a_share_is_wilsons() -> None:
    """The figures of the textbook: 5 of 5 leaves room down to 57 %, none of 5 up to 43 %."""
    assert share_interval(5, 5) == pytest.approx((0.5655, 1.0), abs=1e-4)
    assert share_interval(0, 5) == pytest.approx((0.0, 0.4345), abs=1e-4)
    assert share_interval(0, 0) is None


def test_fishers_test_tells_a_difference_from_an_accident() -> None:
    """One chance in 126 for 5 of 5 against 0 of 5; no difference is certain to be at least as unlike."""
    assert difference(5, 5, 0, 5) == pytest.approx(2 / 252)
    assert difference(3, 5, 3, 5) == 1


@pytest.mark.parametrize(
    ("time_s", "retry_s", "near_s"),
    [
        (0.03, 5, 0),
        (0.9, 5, 0),
        (1.2, 5, None),
        (4.76, 5, 5),
        (5.9, 5, 5),
        (10.2, 5, 10),
        (2.6, 2.5, 2.5),
        (3.2, 5, None),
    ],
)
def test_a_lookup_belongs_to_the_peak_it_is_near(time_s: float, retry_s: float, near_s: float | None) -> None:
    """Times between two peaks belong to none: a mean of the two would be a time that never happens."""
    assert peaks([time_s], retry_s) == {near_s: 1}


@given(st.lists(st.floats(min_value=0, max_value=1000)), st.sampled_from([2.5, 5.0]))
def test_every_lookup_is_counted_once(times_s: list[float], retry_s: float) -> None:
    """No trial is lost between the peaks."""
    assert sum(peaks(times_s, retry_s).values()) == len(times_s)
