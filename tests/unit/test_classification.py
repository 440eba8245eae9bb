"""Classification of a kernel's era from trials recorded on real kernels and on replicas."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.scenario import Scenario
from lab.evidence import trial
from lab.evidence.trial import Evidence, Source
from lab.foundation.home import SCENARIOS
from lab.judgement import verdict
from lab.judgement.era import Classification, classify, classify_trial, is_suitable
from lab.judgement.era_signs import Sure
from lab.remote_check import trials as checking
from lab.remote_check.plan import BehindDnat, CheckPlan

EVIDENCE = Path(__file__).parents[1] / "evidence"
KERNELS = {"3.10.0-123.el7": Era.DROP, "3.10.0-1127.el7": Era.RESOLVE, "4.9.229": Era.RESOLVE}
REPLICAS = {
    "old-nfqueue": Era.DROP,
    "old-nfqueue-c-ares": Era.DROP,
    "old-nfqueue-iptables": Era.DROP,
    "old-nfqueue-musl": Era.DROP,
    "new-nfqueue": Era.RESOLVE,
    "today-nfqueue": Era.RELOOKUP,
}
CHECKED = {"6.1": Era.RELOOKUP, "6.12": Era.RESOLVE, "6.18": Era.RESOLVE, "6.1-rewound-to-drop": Era.DROP}
CHECKED |= {"6.1-rewound-to-resolve": Era.RESOLVE}
RECORDED = {f"{name}/{number}": era for name, era in KERNELS.items() for number in range(1, 5)} | {
    f"replicas/{name}": era for name, era in REPLICAS.items()
}
RECORDED |= {f"check/{name}/{kind}": era for name, era in CHECKED.items() for kind in ("plain", "again")}
SOURCES = [field for field in vars(trial.read(Path("/nonexistent"))) if field not in {"gathered", "marks"}]
PLAN = CheckPlan("nftables", sudo=False, load=(), meaning=(), behind_dnat=BehindDnat("nftables"))
NOTHING: Source[None] = Source(None, "there is none")


@functools.cache
def scenario(directory: str) -> Scenario:
    """Return the scenario of a recorded trial."""
    if directory.startswith("check/"):
        return checking.plain(PLAN, count=5).scenario
    name = directory.partition("replicas/")[2].partition("-")[2] or "nfqueue"
    return find.scenarios(SCENARIOS, [name])[0]


@functools.cache
def recorded(directory: str) -> Evidence:
    """Read the files of a recorded trial."""
    return trial.read(EVIDENCE / directory)


def without(evidence: Evidence, sources: Iterable[str]) -> Evidence:
    """Remove sources from a trial's evidence."""
    missing: dict[str, Any] = dict.fromkeys(sources, NOTHING)
    return replace(evidence, **missing)


def classified(*trials: tuple[str, frozenset[str]]) -> Classification:
    """Classify a kernel by recorded trials, each without some of its sources."""
    judged = []
    for directory, missing in trials:
        evidence = without(recorded(directory), missing)
        judged.append((verdict.judge(evidence, scenario(directory)), evidence))
    return classify(scenario(trials[0][0]), judged)


def of_directory(path: Path, name: str) -> Era | None:
    """Return the era that one trial's directory shows."""
    evidence = trial.read(path)
    return classify_trial(scenario(name), verdict.judge(evidence, scenario(name)), evidence).era


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_real_kernel_gets_the_era_of_its_source_code(kernel: str) -> None:
    """The version is not used: four recorded trials decide, two of which may be unarmed."""
    classification = classified(*((f"{kernel}/{number}", frozenset()) for number in range(1, 5)))

    assert (classification.era, classification.sure) == (KERNELS[kernel], Sure.TRACED)
    assert classification.armed == (2 if kernel == "3.10.0-123.el7" else 4)
    assert classification.stalled == (2 if kernel == "3.10.0-123.el7" else 0)


@pytest.mark.parametrize("name", REPLICAS)
def test_a_replica_gets_the_era_it_was_rewound_to(name: str) -> None:
    """Its trace decides, for every client and every way of queueing."""
    classification = classified((f"replicas/{name}", frozenset()))

    assert (classification.era, classification.sure) == (REPLICAS[name], Sure.TRACED)
    assert "trace" in classification.trials[0].rests_on


@pytest.mark.parametrize("name", REPLICAS)
def test_without_a_trace_the_counters_decide_and_the_result_says_so(name: str) -> None:
    """Not every kernel can be traced."""
    classification = classified((f"replicas/{name}", frozenset({"traced"})))

    assert classification.era is REPLICAS[name]
    assert classification.sure in {Sure.SEEN, Sure.COUNTED}
    assert "trace" not in classification.trials[0].rests_on


@pytest.mark.parametrize("name", ["new-nfqueue", "today-nfqueue"])
def test_without_trace_and_counters_a_healthy_kernel_has_no_era(name: str) -> None:
    """A resolved clash looks like no clash."""
    classification = classified((f"replicas/{name}", frozenset({"traced", "counted"})))

    assert classification.era is None
    assert "neither trace nor counters show" in classification.reason


@pytest.mark.parametrize("name", CHECKED)
def test_a_second_queueing_of_the_packet_determines_the_era_alone(name: str) -> None:
    """It suffices to know with which conntrack a query returns from the queue, and where it went."""
    classification = classified((f"check/{name}/again", frozenset({"counted"})))

    assert (classification.era, classification.sure) == (CHECKED[name], Sure.SEEN)
    assert "again.jsonl" in classification.trials[0].rests_on


@pytest.mark.parametrize("name", ["6.1", "6.12", "6.18"])
def test_without_a_second_queueing_only_counters_separate_resolve_and_relookup(name: str) -> None:
    """Both queries are answered, and the packet shows no more."""
    by_counters = classified((f"check/{name}/plain", frozenset()))
    without_any = classified((f"check/{name}/plain", frozenset({"counted"})))

    assert (by_counters.era, by_counters.sure) == (CHECKED[name], Sure.COUNTED)
    assert without_any.era is None


def test_a_kernel_without_conntrack_ids_is_classified_by_their_number() -> None:
    """6.18 was built without NETFILTER_NETLINK_GLUE_CT: no packet has an id, but there are two conntracks."""
    verdicts = recorded("check/6.18/again").verdicts.value
    assert verdicts
    assert [(packet.ct_id, packet.conntracks) for packet in verdicts.packets] == [(None, 1), (None, 2)]

    classification = classified(("check/6.18/again", frozenset()))
    assert (classification.armed, classification.era) == (1, Era.RESOLVE)
    assert classified(("check/6.18/again", frozenset({"table_sizes"}))).armed == 0


def test_a_stall_without_a_lost_query_has_no_era() -> None:
    """The server may have been slow; an armed race alone does not blame conntrack."""
    sources = frozenset({"traced", "counted", "wire", "server_wire", "served"})
    classification = classified(("replicas/old-nfqueue", sources))

    assert classification.era is None
    assert "nothing shows that a query was lost at confirm" in classification.reason


def test_contradictory_trials_give_no_era() -> None:
    """Two kernels were mixed: neither era is reported, and both are named."""
    classification = classified(("replicas/old-nfqueue", frozenset()), ("replicas/today-nfqueue", frozenset()))

    assert classification.era is None
    assert "disagree" in classification.reason
    assert "drop" in classification.reason
    assert "relookup" in classification.reason


def test_contradictory_sources_give_no_era() -> None:
    """The trace is that of a relookup, the counters of a kernel that resolved a clash."""
    evidence = replace(recorded("replicas/today-nfqueue"), counted=recorded("replicas/new-nfqueue").counted)
    classification = classify_trial(scenario("nfqueue"), verdict.judge(evidence, scenario("nfqueue")), evidence)

    assert classification.era is None
    assert classification.reason.startswith("sources disagree: trace: ")
    assert "stat.after" in classification.reason


def test_counters_of_another_namespace_give_no_era() -> None:
    """They do not move there, as on a kernel without a clash."""
    still = recorded("replicas/new-nfqueue")
    assert still.counted.value
    evidence = replace(
        without(still, {"traced"}),
        counted=Source(dict.fromkeys(still.counted.value, 0), None),
        table_sizes=Source((8, 8), None),
    )

    assert classify_trial(scenario("nfqueue"), verdict.judge(evidence, scenario("nfqueue")), evidence).era is None


def test_no_trial_and_no_armed_trial_are_distinguished() -> None:
    """An unarmed race must not be taken for a kernel without the bug."""
    plain = scenario("nfqueue")
    unarmed = classified(("3.10.0-123.el7/2", frozenset()), ("3.10.0-123.el7/4", frozenset()))

    assert classify(plain, []).reason == "no trial was made"
    assert unarmed.era is None
    assert unarmed.armed == 0
    assert "no trial was armed" in unarmed.reason


@pytest.mark.parametrize("name", ["old-threads", "old-nfqueue-cache", "today-nfqueue-dnat", "new-nfqueue-dnat"])
def test_a_scenario_that_cannot_separate_eras_is_refused(name: str) -> None:
    """Behind DNAT every kernel shows a clash, and threads without a queue never reach a relookup."""
    classification = classified((f"replicas/{name}", frozenset()))

    assert not is_suitable(scenario(f"replicas/{name}"))
    assert classification.era is None


@pytest.mark.parametrize("directory", RECORDED)
@pytest.mark.parametrize("damage", ["missing", "half", "without its last line"])
def test_a_damaged_file_never_changes_the_era(directory: str, damage: str, tmp_path: Path) -> None:
    """An unreadable file is no proof that nothing happened."""
    for path in sorted((EVIDENCE / directory).iterdir()):
        copy = tmp_path / path.name
        shutil.copytree(EVIDENCE / directory, copy)
        raw = path.read_bytes()
        (copy / path.name).unlink()
        if damage != "missing":
            content = raw[: len(raw) // 2] if damage == "half" else b"".join(raw.splitlines(keepends=True)[:-1])
            (copy / path.name).write_bytes(content)

        assert of_directory(copy, directory) in {RECORDED[directory], None}, path.name


@given(
    kernels=st.sets(st.sampled_from(sorted(set(RECORDED.values()))), min_size=1),
    data=st.data(),
)
@settings(max_examples=40, deadline=None)
def test_no_mixture_of_trials_and_sources_gives_a_wrong_era(kernels: set[Era], data: st.DataObject) -> None:
    """Trials of one era with any sources give it or none; trials of several eras give none."""
    theirs = [directory for directory, era in RECORDED.items() if era in kernels]
    missing = st.frozensets(st.sampled_from(SOURCES), max_size=6)
    trials = data.draw(st.lists(st.tuples(st.sampled_from(theirs), missing), min_size=1, max_size=5))
    classification = classified(*trials)
    telling = {era for each in classification.trials if (era := each.era)}

    assert all(
        each.era in {RECORDED[directory], None}
        for each, (directory, _) in zip(classification.trials, trials, strict=True)
    )
    assert classification.era is (telling.pop() if len(telling) == 1 else None)
