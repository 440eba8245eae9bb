"""Statistics of counts and of bimodal times."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact

from lab.comparison.statistics import difference, peaks, share_interval


def test_the_interval_of_a_share_is_wilsons() -> None:
    """Textbook values: the interval of 5 of 5 begins at 57 %, that of 0 of 5 ends at 43 %."""
    assert share_interval(5, 5) == pytest.approx((0.5655, 1.0), abs=1e-4)
    assert share_interval(0, 5) == pytest.approx((0.0, 0.4345), abs=1e-4)
    assert share_interval(0, 0) is None


def test_fishers_test_distinguishes_a_difference_from_chance() -> None:
    """One in 126 for 5 of 5 against 0 of 5; without a difference p is 1."""
    assert difference(5, 5, 0, 5) == pytest.approx(2 / 252)
    assert difference(3, 5, 3, 5) == 1


COUNTS = st.integers(0, 400).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(COUNTS)
def test_the_interval_is_the_same_as_scipys(counts: tuple[int, int]) -> None:
    """An independent implementation agrees for every share."""
    count, of = counts
    expected = binomtest(count, of).proportion_ci(0.95, method="wilson") if of else None

    assert share_interval(count, of) == (pytest.approx(tuple(expected), abs=1e-12) if expected else None)


@given(COUNTS, COUNTS)
@example((0, 100_000), (30, 100_000))
@example((100_000, 100_000), (0, 100_000))
@example((1, 3), (0, 0))
def test_fishers_test_is_the_same_as_scipys(counts: tuple[int, int], other: tuple[int, int]) -> None:
    """An independent implementation agrees for every pair of shares, those of as many trials as a run may have too."""
    table = [[counts[0], counts[1] - counts[0]], [other[0], other[1] - other[0]]]

    assert difference(*counts, *other) == pytest.approx(fisher_exact(table).pvalue, rel=1e-6, abs=1e-300)


@pytest.mark.parametrize(
    ("time_s", "retry_s", "near_s"),
    [
        (0.03, 5, 0),
        (0.9, 5, 0),
        (1.2, 5, 0),
        (7.4, 5, 5),
        (4.76, 5, 5),
        (5.9, 5, 5),
        (10.2, 5, 10),
        (2.6, 2.5, 2.5),
        (3.2, 5, 0),
    ],
)
def test_a_lookup_belongs_to_the_timeouts_it_waited_for(time_s: float, retry_s: float, near_s: float) -> None:
    """A slow host, or tracing on one, adds to a lookup's time and not to its timeouts."""
    assert peaks([time_s], retry_s) == {near_s: 1}


@given(st.lists(st.floats(min_value=0, max_value=1000)), st.sampled_from([2.5, 5.0]))
def test_every_lookup_is_counted_once(times_s: list[float], retry_s: float) -> None:
    """No trial between the peaks is lost."""
    assert sum(peaks(times_s, retry_s).values()) == len(times_s)
