"""The verdicts on trials recorded on real kernels and on replicas, whole and with sources missing."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lab import verdict
from lab.catalogue import find
from lab.catalogue.scenario import Scenario
from lab.evidence import kernel, trial
from lab.home import SCENARIOS
from lab.lifeline import Status
from lab.sightings import Stage
from lab.verdict import Outcome, Verdict

EVIDENCE = Path(__file__).parents[1] / "evidence"
EXPECTED: dict[str, dict[str, str]] = json.loads((EVIDENCE / "expected.json").read_text())
TRIALS = [(kernel, number) for kernel, trials in EXPECTED.items() for number in trials]
REPLICAS: dict[str, dict[str, Any]] = json.loads((EVIDENCE / "replicas.json").read_text())

DIRECTORIES = [(f"{kernel}/{number}", "nfqueue", EXPECTED[kernel][number]) for kernel, number in TRIALS] + [
    (f"replicas/{name}", said["scenario"], said["outcome"]) for name, said in REPLICAS.items()
]
SOURCES = sorted({path.name for directory, *_ in DIRECTORIES for path in (EVIDENCE / directory).iterdir()})


def judged(directory: Path, scenario: str) -> Verdict:
    """Judge the trial in a directory."""
    return verdict.judge(trial.read(directory), _scenario(scenario))


@functools.cache
def _scenario(name: str) -> Scenario:
    return find.scenarios(SCENARIOS, [name])[0]


@functools.cache
def judged_whole(directory: str, scenario: str) -> Verdict:
    """Judge a recorded trial with all its sources."""
    return judged(EVIDENCE / directory, scenario)


@pytest.mark.parametrize(("kernel", "number"), TRIALS)
def test_a_recorded_trial_is_judged_as_its_files_say(kernel: str, number: str) -> None:
    """The outcome is the one a person reads off the raw files."""
    found = judged(EVIDENCE / kernel / number, "nfqueue")

    assert found.outcome == EXPECTED[kernel][number]
    assert found.armed == (found.outcome is not Outcome.UNARMED)


@pytest.mark.parametrize("name", REPLICAS)
def test_a_trial_of_a_replica_is_judged_and_its_loss_is_found(name: str) -> None:
    """Each lost query is lost where its raw files show it for the last time, and no other is."""
    found = judged(EVIDENCE / "replicas" / name, REPLICAS[name]["scenario"])

    assert (found.outcome, found.armed) == (REPLICAS[name]["outcome"], REPLICAS[name]["armed"])
    assert [[line.qtype, line.attempt, line.lost_at] for line in found.lifelines if line.lost_at] == REPLICAS[name][
        "lost"
    ]


def test_every_recorded_trial_is_judged() -> None:
    """A directory of evidence without an expected outcome would test nothing."""
    assert {(path.parent.name, path.name) for path in EVIDENCE.glob("*.*/[0-9]*")} == set(TRIALS)
    assert {path.name for path in (EVIDENCE / "replicas").iterdir()} == set(REPLICAS)


@pytest.mark.parametrize(("number", "wire"), [("1", Status.NOT_SEEN), ("3", Status.NOT_TRACED)])
def test_a_stall_of_3_10_0_123_is_one_query_that_confirm_dropped(number: str, wire: Status) -> None:
    """The article's kernel: the AAAA query is queued, confirm returns 0, and nothing later shows it.

    The capture of the third trial ends so early that it shows nothing of this query, neither that it was there nor not.
    """
    found = judged(EVIDENCE / "3.10.0-123.el7" / number, "nfqueue")
    (lost,) = [line for line in found.lifelines if line.lost_at]

    assert (lost.qtype, lost.attempt, lost.lost_at) == ("AAAA", 1, Stage.CONFIRM)
    where = {point.stage: point.status for point in lost.points}
    assert where[Stage.CONFIRM] is Status.DROPPED
    assert where[Stage.VERDICT] is Status.NOT_TRACED
    assert (where[Stage.WIRE], where[Stage.READ]) == (wire, Status.NOT_SEEN)
    assert "asked again 5.0" in found.reason
    assert found.reason.endswith("and answered")


def test_a_capture_that_is_silent_says_nothing_of_any_query() -> None:
    """Packets flowed in 3.10.0-1127's second trial, and its capture has none: that is no contradiction and no loss."""
    found = judged(EVIDENCE / "3.10.0-1127.el7" / "2", "nfqueue")

    assert found.outcome is Outcome.HEALTHY
    for line in found.lifelines:
        assert {point.status for point in line.points if point.stage is Stage.WIRE} == {Status.NOT_TRACED}


def test_a_capture_that_was_cut_off_says_nothing_of_what_came_later() -> None:
    """The third trial of 3.10.0-123 has its first two packets only; the retries were answered all the same."""
    found = judged(EVIDENCE / "3.10.0-123.el7" / "3", "nfqueue")
    retries = [line for line in found.lifelines if line.attempt == 2]

    assert len(retries) == 2
    for line in retries:
        assert line.lost_at is None
        assert {point.status for point in line.points if point.stage is Stage.WIRE} == {Status.NOT_TRACED}


def test_each_era_ends_a_clash_in_its_own_way() -> None:
    """Era drop ends the packet; resolve gives it the first one's conntrack; in relookup it never clashes."""
    steps = {}
    for machine in ("old", "new", "today"):
        traced = trial.read(EVIDENCE / "replicas" / f"{machine}-nfqueue").traced.value
        assert traced is not None
        steps[machine] = kernel.steps(traced)
    confirms = {
        machine: [(step.returned, step.clashed) for step in found if step.did is kernel.Did.CONFIRMED]
        for machine, found in steps.items()
    }
    sent_with = {
        machine: {step.ct for step in found if step.did is kernel.Did.SENT} for machine, found in steps.items()
    }

    assert confirms == {"old": [(1, False), (0, True)], "new": [(1, False), (1, True)], "today": [(1, False)]}
    assert all(len(conntracks) == 1 for conntracks in sent_with.values())


@pytest.mark.parametrize(
    ("directory", "scenario", "outcome", "source"),
    [(*recorded, path.name) for recorded in DIRECTORIES for path in sorted((EVIDENCE / recorded[0]).iterdir())],
)
def test_a_missing_source_never_makes_a_verdict_wrong(
    directory: str, scenario: str, outcome: str, source: str, tmp_path: Path
) -> None:
    """Without any one of its files a trial is judged rightly or called inconclusive; and no other query is lost."""
    copy = tmp_path / "trial"
    shutil.copytree(EVIDENCE / directory, copy)
    (copy / source).unlink()
    whole, found = judged_whole(directory, scenario), judged(copy, scenario)

    assert found.outcome in {outcome, Outcome.INCONCLUSIVE}
    if found.outcome is Outcome.INCONCLUSIVE:
        assert source in found.reason or "nothing tells" in found.reason
    assert {(line.dns_id, line.attempt) for line in found.lifelines if line.lost_at} <= {
        (line.dns_id, line.attempt) for line in whole.lifelines if line.lost_at
    }


@pytest.mark.parametrize("source", SOURCES)
def test_an_emptied_source_never_makes_a_verdict_wrong(source: str, tmp_path: Path) -> None:
    """A file that is there and says nothing is no proof that nothing happened."""
    for name, said in REPLICAS.items():
        copy = tmp_path / name
        shutil.copytree(EVIDENCE / "replicas" / name, copy)
        if (copy / source).exists():
            (copy / source).write_bytes(b"")
            assert judged(copy, said["scenario"]).outcome in {said["outcome"], Outcome.INCONCLUSIVE}, name


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_was_cut_off_never_makes_a_verdict_wrong(source: str, tmp_path: Path) -> None:
    """A machine that died half-way leaves half a file: what is missing at its end is not what did not happen."""
    for directory, scenario, outcome in DIRECTORIES:
        copy = tmp_path / directory
        shutil.copytree(EVIDENCE / directory, copy)
        raw = (copy / source).read_bytes() if (copy / source).exists() else b""
        lost = {(line.dns_id, line.attempt) for line in judged_whole(directory, scenario).lifelines if line.lost_at}
        for part in (0.25, 0.5, 0.75) if raw else ():
            (copy / source).write_bytes(raw[: int(len(raw) * part)])
            found = judged(copy, scenario)
            assert found.outcome in {outcome, Outcome.INCONCLUSIVE, Outcome.CONTRADICTORY}, (directory, part)
            if found.outcome is not Outcome.CONTRADICTORY:
                assert {(line.dns_id, line.attempt) for line in found.lifelines if line.lost_at} <= lost, directory
