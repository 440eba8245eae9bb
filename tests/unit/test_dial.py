"""The sweep: its settings, its shares, and its picture."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lab import comparison, dial
from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.scenario import Scenario
from lab.comparison import Comparison
from lab.home import SCENARIOS
from lab.report import plot
from lab.store import RanOn, RunStore
from lab.verdict import Outcome, Verdict
from tests.command_line import lab

MACHINES = {
    "old": RanOn(kernel="6.1.0", era=Era.DROP, replica=True, title="a replica"),
    "new": RanOn(kernel="6.1.0", era=Era.RESOLVE, replica=False, title="a kernel"),
}


@pytest.fixture(scope="module")
def base() -> Scenario:
    """Give the scenario the dial is turned on."""
    return find.scenarios(SCENARIOS, ["nfqueue"])[0]


def verdicts(*, stalled: int, healthy: int, unarmed: int, failed: int) -> list[Verdict]:
    """Give so many trials of each outcome."""
    kinds = (
        (Outcome.STALLED, True, stalled),
        (Outcome.HEALTHY, True, healthy),
        (Outcome.UNARMED, False, unarmed),
        (Outcome.FAILED, None, failed),
    )
    return [
        Verdict(outcome, armed=armed, lookup_s=0.01, gathered=False, reason="")
        for outcome, armed, count in kinds
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def swept(base: Scenario) -> Comparison:
    """Give a sweep of two machines over three holds."""
    scenarios = [dial.scenario(base, hold_s) for hold_s in (0.01, 0.0, 0.002)]
    cells = [
        comparison.cell(machine, ran_on, scenario, verdicts(stalled=stalled, healthy=0, unarmed=10 - stalled, failed=2))
        for machine, ran_on in MACHINES.items()
        for scenario, stalled in zip(scenarios, (10, 0, 4), strict=True)
    ]
    return Comparison(dict(MACHINES), tuple(cells), {scenario.name: scenario for scenario in scenarios})


def test_only_time_lets_held_packets_go(base: Scenario) -> None:
    """Were they let go when both are there, every hold would arm every trial and the dial would show nothing."""
    held = dial.scenario(base, 0.005)

    assert held.name == "nfqueue-held-5ms"
    assert held.queue is not None
    assert (held.queue.hold_s, held.queue.hold_packets) == (0.005, dial.NEVER)
    assert base.queue is not None
    assert base.queue.hold_packets == 2


@pytest.mark.parametrize(
    ("first_ms", "last_ms", "holds_ms"),
    [(0, 20, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]), (0, 3, [0, 1, 2, 3]), (5, 5, [5])],
)
def test_holds_are_whole_milliseconds_and_none_comes_twice(first_ms: int, last_ms: int, holds_ms: list[int]) -> None:
    """The verdict program takes no others, and two cells of one name would be one."""
    assert dial.holds_ms(first_ms, last_ms, 11) == holds_ms


def test_shares_are_of_the_trials_that_could_be_judged(swept: Comparison) -> None:
    """A trial that failed was neither armed nor unarmed."""
    found = dial.points(swept)

    assert [(point.machine, point.hold_s) for point in found[:4]] == [
        ("old", 0.0),
        ("old", 0.002),
        ("old", 0.01),
        ("new", 0.0),
    ]
    assert [(point.armed.count, point.armed.of) for point in found[:3]] == [(0, 10), (4, 10), (10, 10)]
    assert found[1].stalled.share == pytest.approx(0.4)
    assert found[2].armed.interval == pytest.approx((0.7225, 1.0), abs=1e-3)


def test_the_picture_says_in_text_what_is_drawn(swept: Comparison) -> None:
    """A reader of the file must be able to search it, and a replica never passes for the real thing."""
    drawn = plot.svg(dial.points(swept), MACHINES)
    words = " ".join("".join(found.itertext()) for found in ET.fromstring(drawn).iter())  # noqa: S314  it is our own

    for text in ("old (replica): armed", "new: stalled", "held for (ms)", "95 %"):
        assert text in words
    assert drawn == plot.svg(dial.points(swept), MACHINES)


def test_a_machine_without_any_trial_that_can_be_judged_is_drawn_as_nothing(base: Scenario) -> None:
    """A point at 0 % would say that none stalled."""
    scenario = dial.scenario(base, 0.001)
    cell = comparison.cell("old", MACHINES["old"], scenario, verdicts(stalled=0, healthy=0, unarmed=0, failed=3))
    found = dial.points(Comparison({"old": MACHINES["old"]}, (cell,), {scenario.name: scenario}))

    assert (found[0].armed.share, found[0].armed.interval) == (None, None)
    assert "armed" in plot.svg(found, {"old": MACHINES["old"]})


def test_a_stored_sweep_is_looked_at_again_without_any_machine(base: Scenario, tmp_path: Path) -> None:
    """The picture for the slides is made the day after."""
    recorded = Path(__file__).parents[1] / "evidence" / "replicas" / "old-nfqueue"
    held = dial.scenario(base, 0.003)
    store = RunStore(tmp_path / "runs")
    run = store.begin({"old": MACHINES["old"]}, [held], 1)
    store.add_trial(run, "old", held.name, 1, {path.name: path.read_bytes() for path in recorded.iterdir()})

    done = lab(tmp_path, "sweep", "--run", run.id, "-o", str(tmp_path / "dial.svg"), "--json")

    assert done.returncode == 0, done.stderr
    (point,) = json.loads(done.stdout)["points"]
    assert (point["hold_s"], point["armed"]["count"], point["stalled"]["share"]) == (0.003, 1, 1.0)
    assert "<svg" in (tmp_path / "dial.svg").read_text()


@pytest.mark.parametrize("hold", ["", "20", "5..1ms", "0..20s", "0,,1ms", "0..6000ms", "-1..5ms"])
def test_a_hold_that_cannot_be_is_one_line_that_says_how_it_is_written(hold: str, tmp_path: Path) -> None:
    """Whoever forgets the unit is told."""
    done = lab(tmp_path, "sweep", "old", f"--hold={hold}")

    assert done.returncode == 2
    assert "0..20ms" in done.stderr
    assert "Traceback" not in done.stderr
