"""Summaries of trials, and the sentences about them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.catalogue.scenario import Expected, Scenario
from lab.comparison.cells import Cell, CellVerdict, Comparison, cell
from lab.comparison.kernel_summary import sentence
from lab.judgement.outcome import Outcome, Verdict
from lab.runs.run import RanOn

MACHINE = RanOn(kernel="6.1", era=Era.DROP, system=System.REPLICA, title="t")


def scenario(*, arms: bool = True) -> Scenario:
    """Return a scenario that expects a stall in era drop."""
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
    """Return this many verdicts of each outcome; stalled ones took 5.2 s, others 0.1 s."""
    verdict_list = []
    for name, count in counts.items():
        outcome = Outcome(name)
        lookup_s = {Outcome.STALLED: 5.2, Outcome.FAILED: None}.get(outcome, 0.1)
        armed = outcome in (Outcome.STALLED, Outcome.HEALTHY)
        verdict_list += [Verdict(outcome, armed, lookup_s, gathered=False, reason="why")] * count
    return verdict_list


def summed(*, arms: bool = True, **counts: int) -> Cell:
    """Summarise this many trials of each outcome."""
    return cell("old", MACHINE, scenario(arms=arms), verdicts(**counts))


def test_unarmed_trials_are_counted_apart_and_never_as_healthy() -> None:
    """Five armed stalls beside five unarmed trials mean a kernel that stalls every time."""
    summary = summed(stalled=5, unarmed=5)

    assert (summary.trials, summary.armed, summary.stalled) == (10, 5, 5)
    assert summary.verdict is CellVerdict.STALLED
    assert summary.as_expected
    assert summary.median_s == 5.2
    assert (
        sentence("old", [summary], "old (replica)")
        == "old (replica): 5 of 5 armed trials stalled for one timeout of 5 s"
    )


def test_a_cell_without_an_armed_trial_says_nothing_of_the_kernel() -> None:
    """The cell is neither healthy nor as expected."""
    summary = summed(unarmed=5)

    assert summary.verdict is CellVerdict.UNARMED
    assert not summary.as_expected
    assert summary.median_s is None
    assert (
        sentence("old", [summary], "old (replica)")
        == "old (replica): no trial was armed, so its kernel's behaviour is unknown"
    )


def test_some_stalled_and_some_not_is_mixed_and_not_as_expected() -> None:
    """A workaround that works most of the time does not work."""
    summary = summed(stalled=4, healthy=1)

    assert summary.verdict is CellVerdict.MIXED
    assert not summary.as_expected
    assert sentence("old", [summary], "old (replica)") == "old (replica): 4 of 5 armed trials stalled"


def test_a_kernel_that_stalls_in_one_scenario_is_reported_per_scenario() -> None:
    """Example: 3.10.0-1127 behind DNAT. "2 of 4" would read as chance."""
    plain, behind = summed(healthy=2), replace(summed(stalled=2), scenario="nfqueue-dnat")
    text = sentence("old", [plain, behind], "old")

    assert text == "old: 2 of 4 armed trials stalled, all in nfqueue-dnat"
    assert sentence("old", [behind, summed(stalled=1, healthy=1)], "old") == "old: 3 of 4 armed trials stalled"
    assert (
        sentence("old", [behind, summed(stalled=2)], "old") == "old: 4 of 4 armed trials stalled for one timeout of 5 s"
    )


def test_a_failed_trial_is_never_as_expected() -> None:
    """This holds even when all other trials are."""
    summary = summed(stalled=4, failed=1)

    assert (summary.unjudged, summary.verdict) == ({Outcome.FAILED: 1}, CellVerdict.STALLED)
    assert not summary.as_expected
    assert summed(failed=2).verdict is CellVerdict.FAILED


def test_a_machine_that_does_not_stall_is_reported() -> None:
    """The sentence is meant for a ticket."""
    assert sentence("old", [summed(healthy=5)], "old (replica)") == "old (replica): none of 5 armed trials stalled"
    assert sentence("old", [summed(healthy=1)], "old (replica)") == "old (replica): none of 1 armed trial stalled"
    assert "no scenario here arms the race" in sentence("old", [summed(arms=False, healthy=5)], "old (replica)")


@pytest.mark.parametrize("outcome", ["contradictory", "inconclusive"])
def test_inconclusive_trials_are_counted_apart_and_never_as_expected(outcome: str) -> None:
    """Missing or contradictory evidence is no result, and the table shows which of the two it was."""
    observed = cell("old", MACHINE, scenario(), verdicts(stalled=4, **{outcome: 1}))

    assert (observed.counted, observed.stalled, observed.unjudged) == (4, 4, {Outcome(outcome): 1})
    assert not observed.as_expected
    assert cell("old", MACHINE, scenario(), verdicts(**{outcome: 2})).verdict == outcome


def test_an_unarmed_cell_is_as_expected_only_where_arming_is_left_to_chance() -> None:
    """A scenario with a short hold may arm nothing; one that waits for two packets must arm."""
    chancy = scenario().model_copy(update={"may_stay_unarmed": True})

    assert cell("old", MACHINE, chancy, verdicts(unarmed=5)).as_expected
    assert not cell("old", MACHINE, chancy, verdicts(healthy=5)).as_expected
    assert not summed(unarmed=5).as_expected


def test_trials_with_and_without_evidence_are_compared() -> None:
    """Tracing takes time itself, and the report must state how much."""
    bare, traced = (
        verdicts(stalled=2),
        [replace(verdict, gathered=True, lookup_s=5.6) for verdict in verdicts(stalled=2)],
    )
    observed = cell("old", MACHINE, scenario(), [*bare, *traced])

    assert (observed.bare.trials, observed.bare.median_s) == (2, 5.2)
    assert (observed.traced.trials, observed.traced.stalled, observed.traced.median_s) == (2, 2, 5.6)


def test_machines_that_differ_are_tested_pair_by_pair() -> None:
    """Five of five against none of five is no accident; one of one against none of one may be."""

    def pair(trials: int) -> Comparison:
        cells = (summed(stalled=trials), replace(summed(healthy=trials), machine="new"))
        return Comparison({"old": MACHINE, "new": MACHINE}, cells, {"s": scenario()})

    (sure,), (unsure,) = pair(5).differences, pair(1).differences

    assert sure.p == pytest.approx(2 / 252)
    assert unsure.p == 1


def test_traced_trials_are_not_in_the_median_lookup_time() -> None:
    """A median over plain and traced trials would mix two different quantities."""
    bare, traced = (
        verdicts(healthy=1),
        [replace(verdict, gathered=True, lookup_s=0.5) for verdict in verdicts(healthy=1)],
    )

    assert cell("new", MACHINE, scenario(), [*bare, *traced]).own_median_s == 0.1
    assert cell("new", MACHINE, scenario(), traced).own_median_s == 0.5


def lasting(*times_s: float) -> list[Verdict]:
    """Return a stalled verdict of each lookup time, in seconds."""
    return [replace(verdict, lookup_s=time_s) for time_s in times_s for verdict in verdicts(stalled=1)]


def test_a_slow_hosts_stalls_are_reported_by_the_timeout_they_waited_for() -> None:
    """A median of 5.6 s is one timeout of 5 s and work of the host, in the table as in the sentence."""
    slow = [
        replace(verdict, lookup_s=time_s) for verdict, time_s in zip(verdicts(stalled=3), (5.5, 5.6, 7.9), strict=True)
    ]
    summary = cell("old", MACHINE, scenario(), slow)

    assert dict(summary.peaks) == {5.0: 3}
    assert sentence("old", [summary], "old") == "old: 3 of 3 armed trials stalled for one timeout of 5 s"


def test_stalls_of_different_lengths_name_no_timeout() -> None:
    """One lookup lost one query, another two."""
    lengths = [
        replace(verdict, lookup_s=time_s) for verdict, time_s in zip(verdicts(stalled=2), (5.1, 10.2), strict=True)
    ]
    summary = cell("old", MACHINE, scenario(), lengths)

    assert dict(summary.peaks) == {5.0: 1, 10.0: 1}
    assert sentence("old", [summary], "old") == "old: 2 of 2 armed trials stalled"
