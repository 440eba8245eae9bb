"""The sweep: its settings, shares and picture."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.catalogue.scenario import Scenario
from lab.comparison import sweep
from lab.comparison.cells import Comparison, cell
from lab.foundation.home import SCENARIOS
from lab.judgement.outcome import Outcome, Verdict
from lab.present.page import sweep_curve
from lab.runs.run import RanOn
from lab.runs.store import RunStore
from tests.command_line import lab

MACHINES = {
    "old": RanOn(kernel="6.1.0", era=Era.DROP, system=System.REPLICA, title="a replica"),
    "new": RanOn(kernel="6.1.0", era=Era.RESOLVE, system=System.DEBIAN, title="a kernel"),
}


@pytest.fixture(scope="module")
def base() -> Scenario:
    """Return the scenario that the sweep varies."""
    return find.scenarios(SCENARIOS, ["nfqueue"])[0]


def verdicts(*, stalled: int, healthy: int, unarmed: int, failed: int) -> list[Verdict]:
    """Return this many trials of each outcome."""
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
    """Return a sweep of two machines over three holds."""
    scenarios = [sweep.scenario(base, hold_s) for hold_s in (0.01, 0.0, 0.002)]
    cells = [
        cell(machine, ran_on, scenario, verdicts(stalled=stalled, healthy=0, unarmed=10 - stalled, failed=2))
        for machine, ran_on in MACHINES.items()
        for scenario, stalled in zip(scenarios, (10, 0, 4), strict=True)
    ]
    return Comparison(dict(MACHINES), tuple(cells), {scenario.name: scenario for scenario in scenarios})


def test_in_a_sweep_only_time_releases_held_packets(base: Scenario) -> None:
    """If two waiting packets were released, every hold would arm every trial and the sweep would show nothing."""
    held = sweep.scenario(base, 0.005)

    assert held.name == "nfqueue-held-5ms"
    assert held.queue is not None
    assert (held.queue.hold_s, held.queue.hold_packets) == (0.005, sweep.NEVER)
    assert base.queue is not None
    assert base.queue.hold_packets == 2


@pytest.mark.parametrize(
    ("first_ms", "last_ms", "holds_ms"),
    [(0, 20, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]), (0, 3, [0, 1, 2, 3]), (5, 5, [5])],
)
def test_holds_are_distinct_whole_milliseconds(first_ms: int, last_ms: int, holds_ms: list[int]) -> None:
    """The verdict program accepts nothing else, and two cells of one name would be one."""
    assert sweep.holds_ms(first_ms, last_ms, 11) == holds_ms


def test_shares_count_only_judged_trials(swept: Comparison) -> None:
    """A failed trial was neither armed nor unarmed."""
    points = sweep.points(swept)

    assert [(point.machine, point.hold_s) for point in points[:4]] == [
        ("old", 0.0),
        ("old", 0.002),
        ("old", 0.01),
        ("new", 0.0),
    ]
    assert [(point.armed.count, point.armed.of) for point in points[:3]] == [(0, 10), (4, 10), (10, 10)]
    assert points[1].stalled.share == pytest.approx(0.4)
    assert points[2].armed.interval == pytest.approx((0.7225, 1.0), abs=1e-3)


def test_the_picture_has_its_content_as_text(swept: Comparison) -> None:
    """The file is searchable, and a replica never passes for the real kernel."""
    picture = sweep_curve.svg(sweep.points(swept), MACHINES)
    words = " ".join("".join(element.itertext()) for element in ET.fromstring(picture).iter())  # noqa: S314  it is our own

    for text in ("old (replica): armed", "new: stalled", "held for (ms)", "95 %"):
        assert text in words
    assert picture == sweep_curve.svg(sweep.points(swept), MACHINES)


def test_every_mark_of_the_picture_is_a_share_of_the_json(swept: Comparison) -> None:
    """A mark names its place in `lab sweep --json`, as the report's do in the report's JSON."""
    measured = sweep.points(swept)
    drawn = ET.fromstring(sweep_curve.svg(measured, MACHINES))  # noqa: S314  it is our own
    marks = {mark.get("data-at"): mark.get("data-value") for mark in drawn.iter() if mark.get("data-at")}

    assert marks == {
        f"/points/{place}/{what}/share": str(getattr(point, what).share)
        for place, point in enumerate(measured)
        for what in ("armed", "stalled")
    }


def test_a_machine_without_any_trial_that_can_be_judged_is_drawn_as_nothing(base: Scenario) -> None:
    """A point at 0 % would say that none stalled."""
    scenario = sweep.scenario(base, 0.001)
    failed = cell("old", MACHINES["old"], scenario, verdicts(stalled=0, healthy=0, unarmed=0, failed=3))
    points = sweep.points(Comparison({"old": MACHINES["old"]}, (failed,), {scenario.name: scenario}))

    assert (points[0].armed.share, points[0].armed.interval) == (None, None)
    assert "armed" in sweep_curve.svg(points, {"old": MACHINES["old"]})


def test_a_stored_sweep_is_shown_without_machines(base: Scenario, tmp_path: Path) -> None:
    """Slides are made the day after."""
    recorded = Path(__file__).parents[1] / "evidence" / "replicas" / "old-nfqueue"
    held = sweep.scenario(base, 0.003)
    store = RunStore(tmp_path / "runs")
    run = store.begin({"old": MACHINES["old"]}, [held], 1)
    store.add_trial(run, "old", held.name, 1, {path.name: path.read_bytes() for path in recorded.iterdir()})

    result = lab(tmp_path, "sweep", "--run", run.id, "-o", str(tmp_path / "dial.svg"), "--json")

    assert result.returncode == 0, result.stderr
    (point,) = json.loads(result.stdout)["points"]
    assert (point["hold_s"], point["armed"]["count"], point["stalled"]["share"]) == (0.003, 1, 1.0)
    assert "<svg" in (tmp_path / "dial.svg").read_text()


@pytest.mark.parametrize("hold", ["", "20", "5..1ms", "0..20s", "0,,1ms", "0..6000ms", "-1..5ms"])
def test_an_invalid_hold_is_one_line_with_its_format(hold: str, tmp_path: Path) -> None:
    """A missing unit is a common mistake."""
    result = lab(tmp_path, "sweep", "old", f"--hold={hold}")

    assert result.returncode == 2
    assert "0..20ms" in result.stderr
    assert "Traceback" not in result.stderr
