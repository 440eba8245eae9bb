"""How trials are summed up, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.catalogue.era import Era
from lab.catalogue.scenario import Expected, Scenario
from lab.comparison import Cell, CellVerdict, Comparison, cell, sentence
from lab.store import RanOn
from lab.verdict import Outcome, Verdict

MACHINE = RanOn(kernel="6.1", era=Era.DROP, replica=True, title="t")


def scenario(*, arms: bool = True) -> Scenario:
    """Give a scenario that expects a stall in era drop."""
    return Scenario.model_validate(
        {
            "name": "s",
            "title": "t",
            "shows": "s",
            "arms": arms,
            "step": ({"do": "lookup"},),
            "expected": {Era.DROP: Expected.STALLED},
        }
    )


def verdicts(**counts: int) -> list[Verdict]:
    """Give so many verdicts of each outcome; stalled ones took 5.2 s, others 0.1 s."""
    made = []
    for name, count in counts.items():
        outcome = Outcome(name)
        lookup_s = {Outcome.STALLED: 5.2, Outcome.FAILED: None}.get(outcome, 0.1)
        armed = outcome in (Outcome.STALLED, Outcome.HEALTHY)
        made += [Verdict(outcome, armed, lookup_s, gathered=False, reason="why")] * count
    return made


def summed(*, arms: bool = True, **counts: int) -> Cell:
    """Sum up so many trials of each outcome."""
    return cell("old", MACHINE, scenario(arms=arms), verdicts(**counts))


def test_unarmed_trials_are_counted_apart_and_never_as_healthy() -> None:
    """Five armed trials that stalled among five unarmed ones are a kernel that stalls every time."""
    found = summed(stalled=5, unarmed=5)

    assert (found.trials, found.armed, found.stalled) == (10, 5, 5)
    assert found.verdict is CellVerdict.STALLED
    assert found.as_expected
    assert found.median_s == 5.2
    assert sentence("old", [found]) == "old: 5 of 5 armed trials stalled about 5 s"


def test_a_cell_without_an_armed_trial_says_nothing_of_the_kernel() -> None:
    """It is neither healthy nor as expected."""
    found = summed(unarmed=5)

    assert found.verdict is CellVerdict.UNARMED
    assert not found.as_expected
    assert found.median_s is None
    assert sentence("old", [found]) == "old: no trial was armed, so nothing is known of its kernel"


def test_some_stalled_and_some_not_is_mixed_and_not_as_expected() -> None:
    """A workaround that works most of the time does not work."""
    found = summed(stalled=4, healthy=1)

    assert found.verdict is CellVerdict.MIXED
    assert not found.as_expected
    assert sentence("old", [found]) == "old: 4 of 5 armed trials stalled"


def test_a_failed_trial_is_never_as_expected() -> None:
    """Even when all others are."""
    found = summed(stalled=4, failed=1)

    assert (found.unjudged, found.verdict) == ({Outcome.FAILED: 1}, CellVerdict.STALLED)
    assert not found.as_expected
    assert summed(failed=2).verdict is CellVerdict.FAILED


def test_a_machine_that_does_not_stall_is_said_so() -> None:
    """The sentence that goes into a ticket."""
    assert sentence("old", [summed(healthy=5)]) == "old: none of 5 armed trials stalled"
    assert sentence("old", [summed(healthy=1)]) == "old: none of 1 armed trial stalled"
    assert "no scenario here arms the race" in sentence("old", [summed(arms=False, healthy=5)])


@pytest.mark.parametrize("outcome", ["contradictory", "inconclusive"])
def test_a_trial_that_says_nothing_is_told_apart_and_never_as_expected(outcome: str) -> None:
    """Evidence that is missing or disagrees is no result, and whoever reads the table learns which it was."""
    found = cell("old", MACHINE, scenario(), verdicts(stalled=4, **{outcome: 1}))

    assert (found.counted, found.stalled, found.unjudged) == (4, 4, {Outcome(outcome): 1})
    assert not found.as_expected
    assert cell("old", MACHINE, scenario(), verdicts(**{outcome: 2})).verdict == outcome


def test_an_unarmed_cell_is_as_expected_only_where_arming_is_left_to_chance() -> None:
    """A scenario with a short hold may arm nothing; one that holds until two wait must not."""
    chancy = scenario().model_copy(update={"may_stay_unarmed": True})

    assert cell("old", MACHINE, chancy, verdicts(unarmed=5)).as_expected
    assert not cell("old", MACHINE, chancy, verdicts(healthy=5)).as_expected
    assert not summed(unarmed=5).as_expected


def test_trials_with_and_without_evidence_are_compared() -> None:
    """Tracing takes time of its own, so the report must be able to say how much."""
    bare, traced = (
        verdicts(stalled=2),
        [replace(verdict, gathered=True, lookup_s=5.6) for verdict in verdicts(stalled=2)],
    )
    found = cell("old", MACHINE, scenario(), [*bare, *traced])

    assert (found.bare.trials, found.bare.median_s) == (2, 5.2)
    assert (found.traced.trials, found.traced.stalled, found.traced.median_s) == (2, 2, 5.6)


def test_machines_that_differ_are_tested_pair_by_pair() -> None:
    """Five of five against none of five is no accident; one of one against none of one may be."""

    def pair(trials: int) -> Comparison:
        cells = (summed(stalled=trials), replace(summed(healthy=trials), machine="new"))
        return Comparison({"old": MACHINE, "new": MACHINE}, cells, {"s": scenario()})

    (sure,), (unsure,) = pair(5).differences, pair(1).differences

    assert sure.p == pytest.approx(2 / 252)
    assert unsure.p == 1


def test_what_tracing_takes_is_in_no_median_of_the_lookups_own() -> None:
    """The median of one quick trial and a traced one would be the mean of two different things."""
    bare, traced = (
        verdicts(healthy=1),
        [replace(verdict, gathered=True, lookup_s=0.5) for verdict in verdicts(healthy=1)],
    )

    assert cell("new", MACHINE, scenario(), [*bare, *traced]).own_median_s == 0.1
    assert cell("new", MACHINE, scenario(), traced).own_median_s == 0.5
