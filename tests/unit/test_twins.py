"""Recorded trials of real kernels compared with those of their replicas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lab.evidence.trial import Source
from tests import twins
from tests.twins import BARE, EVIDENCE, REAL, REPLICAS, SCENARIO_NAMES, TRACED, Twin, differences, scenario_of

TRIALS = [(real, name, kind) for real in REPLICAS for name in SCENARIO_NAMES for kind in (BARE, TRACED)]


def twin(directory: Path, name: str) -> Twin:
    """Read a recorded trial."""
    return twins.read(directory, scenario_of(name))


def pair(real: str, name: str, kind: str = TRACED) -> tuple[Twin, Twin]:
    """Read a real kernel's trial and its replica's."""
    return twin(REAL / real / name / kind, name), twin(EVIDENCE / "twins" / REPLICAS[real] / name / kind, name)


@pytest.mark.parametrize(("real", "name", "kind"), TRIALS)
def test_a_replica_matches_the_real_kernel_event_by_event(real: str, name: str, kind: str) -> None:
    """Outcome, path of each query, kernel steps traced in both, and counters of a clash are equal."""
    assert differences(*pair(real, name, kind), scenario_of(name)) == []


def test_every_recorded_trial_of_a_real_kernel_has_its_twin() -> None:
    """A recording without a comparison would prove nothing."""
    recorded = {tuple(path.relative_to(REAL).parts) for path in REAL.glob("*/*/*")}

    assert recorded == set(TRIALS)
    assert len(recorded) == 28


@pytest.mark.parametrize(
    ("name", "kind", "phrase"),
    [
        ("nfqueue", BARE, "stalled, armed True; the replica: healthy"),
        ("nfqueue", TRACED, "confirm returned: dropped 0"),
    ],
)
def test_a_replica_of_another_era_is_detected(name: str, kind: str, phrase: str) -> None:
    """Real 3.10.0-123 drops what the replica of 3.10.0-1127 accepts."""
    real, other = pair("el70", name, kind)[0], pair("el78", name, kind)[1]

    assert any(phrase in difference for difference in differences(real, other, scenario_of(name)))


def test_a_replica_that_accepts_both_behind_dnat_is_detected() -> None:
    """A stock 6.1 does so through nf_ct_resolve_clash_harder(), and so did an early replica."""
    real = pair("el78", "nfqueue-dnat")[0]
    stock = twin(EVIDENCE / "replicas" / "today-nfqueue-dnat", "nfqueue-dnat")
    mismatches = differences(real, stock, scenario_of("nfqueue-dnat"))

    assert any("stalled, armed True; the replica: healthy" in difference for difference in mismatches)
    assert any("counters: {'insert_failed': 1, 'drop': 1}" in difference for difference in mismatches)


@pytest.mark.parametrize("counter", ["insert_failed", "drop"])
def test_a_different_counter_of_a_replica_is_detected(counter: str) -> None:
    """RHEL 7.8 counts both where it cannot merge; a replica without counts would teach a wrong sign."""
    real, replica = pair("el78", "nfqueue-dnat")
    counted: Source[Mapping[str, int]] = Source({**(replica.evidence.counted.value or {}), counter: 0}, None)
    changed = replace(replica, evidence=replace(replica.evidence, counted=counted))

    (difference,) = differences(real, changed, scenario_of("nfqueue-dnat"))
    assert difference.startswith("counters:")


def test_the_same_outcome_by_another_path_is_detected() -> None:
    """Era relookup answers both queries, but its second one never enters confirm with another entry."""
    real = pair("el78", "nfqueue")[0]
    relooked = twin(EVIDENCE / "replicas" / "today-nfqueue", "nfqueue")
    mismatches = differences(real, relooked, scenario_of("nfqueue"))

    assert any(difference.startswith("AAAA in the kernel: ") for difference in mismatches)
