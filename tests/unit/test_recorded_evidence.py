"""Verdicts on trials recorded on real kernels and on replicas, with all sources and with some missing."""

from __future__ import annotations

import functools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lab.catalogue import find
from lab.catalogue.scenario import Scenario
from lab.evidence import kernel, trial
from lab.foundation.home import SCENARIOS
from lab.judgement import verdict
from lab.judgement.lifeline import Status
from lab.judgement.outcome import Outcome, Verdict
from lab.judgement.sightings import Stage

EVIDENCE = Path(__file__).parents[1] / "evidence"
EXPECTED: dict[str, dict[str, str]] = json.loads((EVIDENCE / "expected.json").read_text())
TRIALS = [(kernel, number) for kernel, trials in EXPECTED.items() for number in trials]
REPLICAS: dict[str, dict[str, Any]] = json.loads((EVIDENCE / "replicas.json").read_text())

DIRECTORIES = [(f"{kernel}/{number}", "nfqueue", EXPECTED[kernel][number]) for kernel, number in TRIALS] + [
    (f"replicas/{name}", expected["scenario"], expected["outcome"]) for name, expected in REPLICAS.items()
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
def test_a_recorded_trial_gets_its_expected_verdict(kernel: str, number: str) -> None:
    """The expected outcome was read by a person from the raw files."""
    judgement = judged(EVIDENCE / kernel / number, "nfqueue")

    assert judgement.outcome == EXPECTED[kernel][number]
    assert judgement.armed == (judgement.outcome is not Outcome.UNARMED)


@pytest.mark.parametrize("name", REPLICAS)
def test_a_replicas_trial_gets_its_verdict_and_place_of_loss(name: str) -> None:
    """Each lost query is lost at its last place in the raw files, and no other query is."""
    judgement = judged(EVIDENCE / "replicas" / name, REPLICAS[name]["scenario"])

    assert (judgement.outcome, judgement.armed) == (REPLICAS[name]["outcome"], REPLICAS[name]["armed"])
    assert [[line.qtype, line.attempt, line.lost_at] for line in judgement.lifelines if line.lost_at] == REPLICAS[name][
        "lost"
    ]


@pytest.mark.parametrize("name", REPLICAS)
def test_an_older_dnsmasqs_log_changes_no_verdict(tmp_path: Path, name: str) -> None:
    """CentOS 7.0's dnsmasq logs neither a serial number nor the client's port."""
    older = tmp_path / name
    shutil.copytree(EVIDENCE / "replicas" / name, older)
    log = older / "dnsmasq.log"
    log.write_text(re.sub(r"(dnsmasq\[\d+\]:) \d+ [\d.]+/\d+ ", r"\1 ", log.read_text()))
    assert "query[A]" in log.read_text()
    judgement, scenario = judged(older, REPLICAS[name]["scenario"]), REPLICAS[name]["scenario"]

    assert judgement.outcome is judged_whole(f"replicas/{name}", scenario).outcome
    lost = [[line.qtype, line.attempt, line.lost_at] for line in judgement.lifelines if line.lost_at]
    assert lost == REPLICAS[name]["lost"]


def test_every_recorded_trial_is_judged() -> None:
    """A directory of evidence without an expected outcome would test nothing."""
    assert {(path.parent.name, path.name) for path in EVIDENCE.glob("*.*/[0-9]*")} == set(TRIALS)
    assert {path.name for path in (EVIDENCE / "replicas").iterdir()} == set(REPLICAS)


@pytest.mark.parametrize(("number", "wire"), [("1", Status.NOT_SEEN), ("3", Status.NOT_TRACED)])
def test_a_stall_of_3_10_0_123_is_one_query_that_confirm_dropped(number: str, wire: Status) -> None:
    """The article's kernel: the AAAA query is queued, confirm returns 0, and nothing later shows it.

    The capture of the third trial ends too early to show whether this query was sent.
    """
    judgement = judged(EVIDENCE / "3.10.0-123.el7" / number, "nfqueue")
    (lost,) = [line for line in judgement.lifelines if line.lost_at]

    assert (lost.qtype, lost.attempt, lost.lost_at) == ("AAAA", 1, Stage.CONFIRM)
    where = {point.stage: point.status for point in lost.points}
    assert where[Stage.CONFIRM] is Status.DROPPED
    assert where[Stage.VERDICT] is Status.NOT_TRACED
    assert (where[Stage.WIRE], where[Stage.READ]) == (wire, Status.NOT_SEEN)
    assert "retransmitted 5.0" in judgement.reason
    assert judgement.reason.endswith("and answered")


def test_an_empty_capture_proves_nothing() -> None:
    """The capture of 3.10.0-1127's second trial is empty though packets flowed: no contradiction, no loss."""
    judgement = judged(EVIDENCE / "3.10.0-1127.el7" / "2", "nfqueue")

    assert judgement.outcome is Outcome.HEALTHY
    for line in judgement.lifelines:
        assert {point.status for point in line.points if point.stage is Stage.WIRE} == {Status.NOT_TRACED}


def test_a_truncated_capture_proves_nothing_after_its_end() -> None:
    """That of 3.10.0-123's third trial has two packets; the retransmits were answered all the same."""
    judgement = judged(EVIDENCE / "3.10.0-123.el7" / "3", "nfqueue")
    retries = [line for line in judgement.lifelines if line.attempt == 2]

    assert len(retries) == 2
    for line in retries:
        assert line.lost_at is None
        assert {point.status for point in line.points if point.stage is Stage.WIRE} == {Status.NOT_TRACED}


def test_each_era_ends_a_clash_in_its_own_way() -> None:
    """Era drop loses the packet; resolve gives it the first one's conntrack; relookup avoids the clash."""
    steps = {}
    for machine in ("old", "new", "today"):
        traced = trial.read(EVIDENCE / "replicas" / f"{machine}-nfqueue").traced.value
        assert traced is not None
        steps[machine] = kernel.extract_steps(traced)
    confirms = {
        machine: [(step.returned, step.clashed) for step in judgement if step.did is kernel.Action.CONFIRMED]
        for machine, judgement in steps.items()
    }
    sent_with = {
        machine: {step.ct for step in judgement if step.did is kernel.Action.SENT}
        for machine, judgement in steps.items()
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
    """Without any one file a trial is judged correctly or inconclusive; no other query is lost."""
    copy = tmp_path / "trial"
    shutil.copytree(EVIDENCE / directory, copy)
    (copy / source).unlink()
    whole, judgement = judged_whole(directory, scenario), judged(copy, scenario)

    assert judgement.outcome in {outcome, Outcome.INCONCLUSIVE}
    if judgement.outcome is Outcome.INCONCLUSIVE:
        assert source in judgement.reason or "cannot determine" in judgement.reason
    assert {(line.dns_id, line.attempt) for line in judgement.lifelines if line.lost_at} <= {
        (line.dns_id, line.attempt) for line in whole.lifelines if line.lost_at
    }


@pytest.mark.parametrize("source", SOURCES)
def test_an_emptied_source_never_makes_a_verdict_wrong(source: str, tmp_path: Path) -> None:
    """An empty file is no proof that nothing happened."""
    for name, expected in REPLICAS.items():
        copy = tmp_path / name
        shutil.copytree(EVIDENCE / "replicas" / name, copy)
        if (copy / source).exists():
            (copy / source).write_bytes(b"")
            assert judged(copy, expected["scenario"]).outcome in {expected["outcome"], Outcome.INCONCLUSIVE}, name


@pytest.mark.parametrize("source", SOURCES)
def test_a_truncated_source_never_makes_a_verdict_wrong(source: str, tmp_path: Path) -> None:
    """A crashed machine leaves half a file; what is missing at its end may still have happened."""
    for directory, scenario, outcome in DIRECTORIES:
        copy = tmp_path / directory
        shutil.copytree(EVIDENCE / directory, copy)
        raw = (copy / source).read_bytes() if (copy / source).exists() else b""
        lost = {(line.dns_id, line.attempt) for line in judged_whole(directory, scenario).lifelines if line.lost_at}
        for part in (0.25, 0.5, 0.75) if raw else ():
            (copy / source).write_bytes(raw[: int(len(raw) * part)])
            judgement = judged(copy, scenario)
            assert judgement.outcome in {outcome, Outcome.INCONCLUSIVE, Outcome.CONTRADICTORY}, (directory, part)
            if judgement.outcome is not Outcome.CONTRADICTORY:
                assert {(line.dns_id, line.attempt) for line in judgement.lifelines if line.lost_at} <= lost, directory
