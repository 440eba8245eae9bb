"""The era of a kernel, by experiment, on trials recorded on real kernels and on replicas."""

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

from lab import verdict
from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.scenario import Scenario
from lab.checking import trials as checking
from lab.checking.plan import Plan
from lab.classification import Classification, Sure, classify, of_trial, suits
from lab.evidence import trial
from lab.evidence.trial import Evidence, Source
from lab.home import SCENARIOS

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
RECORDED = {f"{name}/{number}": era for name, era in KERNELS.items() for number in range(1, 5)} | {
    f"replicas/{name}": era for name, era in REPLICAS.items()
}
RECORDED |= {f"check/{name}/{kind}": era for name, era in CHECKED.items() for kind in ("plain", "again")}
SOURCES = [field for field in vars(trial.read(Path("/nonexistent"))) if field not in {"gathered", "marks"}]
NOTHING: Source[None] = Source(None, "there is none")


@functools.cache
def scenario(directory: str) -> Scenario:
    """Give the scenario that a recorded trial is of."""
    if directory.startswith("check/"):
        return checking.scenario(Plan("nftables", sudo=False, load=(), meaning=()))
    name = directory.partition("replicas/")[2].partition("-")[2] or "nfqueue"
    return find.scenarios(SCENARIOS, [name])[0]


@functools.cache
def recorded(directory: str) -> Evidence:
    """Read a recorded trial's files."""
    return trial.read(EVIDENCE / directory)


def without(evidence: Evidence, sources: Iterable[str]) -> Evidence:
    """Take sources away from a trial's evidence."""
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
    """Give the era that one trial's directory shows."""
    evidence = trial.read(path)
    return of_trial(scenario(name), verdict.judge(evidence, scenario(name)), evidence).era


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_real_kernel_is_of_the_era_that_its_sources_say(kernel: str) -> None:
    """Without any knowledge of the version, from four recorded trials, two of which may not be armed."""
    found = classified(*((f"{kernel}/{number}", frozenset()) for number in range(1, 5)))

    assert (found.era, found.sure) == (KERNELS[kernel], Sure.TRACED)
    assert found.armed == (2 if kernel == "3.10.0-123.el7" else 4)
    assert found.stalled == (2 if kernel == "3.10.0-123.el7" else 0)


@pytest.mark.parametrize("name", REPLICAS)
def test_a_replica_is_of_the_era_that_it_was_rewound_to(name: str) -> None:
    """By its trace, whichever client asked and whatever sent the packets to the queue."""
    found = classified((f"replicas/{name}", frozenset()))

    assert (found.era, found.sure) == (REPLICAS[name], Sure.TRACED)
    assert "trace" in found.trials[0].rests_on


@pytest.mark.parametrize("name", REPLICAS)
def test_without_a_trace_the_counters_tell_and_it_is_said(name: str) -> None:
    """A trace of the kernel is not to be had everywhere; what rests on counters is called so."""
    found = classified((f"replicas/{name}", frozenset({"traced"})))

    assert found.era is REPLICAS[name]
    assert found.sure in {Sure.SEEN, Sure.COUNTED}
    assert "trace" not in found.trials[0].rests_on


@pytest.mark.parametrize("name", ["new-nfqueue", "today-nfqueue"])
def test_without_trace_and_counters_a_healthy_kernel_cannot_be_told(name: str) -> None:
    """A clash that was resolved looks like one that did not happen."""
    found = classified((f"replicas/{name}", frozenset({"traced", "counted"})))

    assert found.era is None
    assert "neither a trace nor counters tell" in found.reason


@pytest.mark.parametrize("name", CHECKED)
def test_a_second_look_at_the_packet_tells_the_era_without_trace_and_counters(name: str) -> None:
    """With which conntrack a query comes back from the queue, and what became of it, is all that it takes."""
    found = classified((f"check/{name}/again", frozenset({"counted"})))

    assert (found.era, found.sure) == (CHECKED[name], Sure.SEEN)
    assert "again.jsonl" in found.trials[0].rests_on


@pytest.mark.parametrize("name", ["6.1", "6.12", "6.18"])
def test_without_a_second_look_only_the_counters_tell_resolve_from_relookup(name: str) -> None:
    """Both queries are answered, and the packet tells no more."""
    by_counters = classified((f"check/{name}/plain", frozenset()))
    without_any = classified((f"check/{name}/plain", frozenset({"counted"})))

    assert (by_counters.era, by_counters.sure) == (CHECKED[name], Sure.COUNTED)
    assert without_any.era is None


def test_a_kernel_that_cannot_tell_a_conntrack_is_classified_by_how_many_there_are() -> None:
    """6.18's was built without NETFILTER_NETLINK_GLUE_CT: no packet has an id, but its namespace has two conntracks."""
    verdicts = recorded("check/6.18/again").verdicts.value
    assert verdicts
    assert [(packet.ct_id, packet.conntracks) for packet in verdicts.packets] == [(None, 1), (None, 2)]

    found = classified(("check/6.18/again", frozenset()))
    assert (found.armed, found.era) == (1, Era.RESOLVE)
    assert classified(("check/6.18/again", frozenset({"table_sizes"}))).armed == 0


def test_a_stall_that_lost_no_query_is_of_no_era() -> None:
    """The server may have been slow; an armed race alone does not make that conntrack's fault."""
    seen = frozenset({"traced", "counted", "wire", "server_wire", "served"})
    found = classified(("replicas/old-nfqueue", seen))

    assert found.era is None
    assert "nothing shows that a query was lost at confirm" in found.reason


def test_trials_that_disagree_tell_no_era() -> None:
    """Two kernels in one pot: neither is believed, and both are named."""
    found = classified(("replicas/old-nfqueue", frozenset()), ("replicas/today-nfqueue", frozenset()))

    assert found.era is None
    assert "disagree" in found.reason
    assert "drop" in found.reason
    assert "relookup" in found.reason


def test_sources_that_disagree_tell_no_era() -> None:
    """The trace of a kernel that looked the flow up again, the counters of one that resolved a clash."""
    evidence = replace(recorded("replicas/today-nfqueue"), counted=recorded("replicas/new-nfqueue").counted)
    found = of_trial(scenario("nfqueue"), verdict.judge(evidence, scenario("nfqueue")), evidence)

    assert found.era is None
    assert found.reason.startswith("sources disagree: trace: ")
    assert "stat.after" in found.reason


def test_counters_of_another_namespace_tell_nothing() -> None:
    """They stand still there, as they would on a kernel that has no clash."""
    still = recorded("replicas/new-nfqueue")
    assert still.counted.value
    evidence = replace(
        without(still, {"traced"}),
        counted=Source(dict.fromkeys(still.counted.value, 0), None),
        table_sizes=Source((8, 8), None),
    )

    assert of_trial(scenario("nfqueue"), verdict.judge(evidence, scenario("nfqueue")), evidence).era is None


def test_no_trial_and_no_armed_trial_are_told_apart() -> None:
    """Nobody shall take a race that was not armed for a kernel without the bug."""
    plain = scenario("nfqueue")
    unarmed = classified(("3.10.0-123.el7/2", frozenset()), ("3.10.0-123.el7/4", frozenset()))

    assert classify(plain, []).reason == "no trial was made"
    assert unarmed.era is None
    assert unarmed.armed == 0
    assert "no trial was armed" in unarmed.reason


@pytest.mark.parametrize("name", ["old-threads", "old-nfqueue-cache", "today-nfqueue-dnat", "new-nfqueue-dnat"])
def test_a_scenario_that_does_not_tell_eras_apart_is_refused(name: str) -> None:
    """Behind DNAT a clash shows on every kernel, and threads without a queue are never looked up again."""
    found = classified((f"replicas/{name}", frozenset()))

    assert not suits(scenario(f"replicas/{name}"))
    assert found.era is None


@pytest.mark.parametrize("directory", RECORDED)
@pytest.mark.parametrize("damage", ["missing", "half", "without its last line"])
def test_a_damaged_file_never_makes_another_era_of_a_trial(directory: str, damage: str, tmp_path: Path) -> None:
    """What cannot be read is not what did not happen."""
    for path in sorted((EVIDENCE / directory).iterdir()):
        copy = tmp_path / path.name
        shutil.copytree(EVIDENCE / directory, copy)
        raw = path.read_bytes()
        (copy / path.name).unlink()
        if damage != "missing":
            kept = raw[: len(raw) // 2] if damage == "half" else b"".join(raw.splitlines(keepends=True)[:-1])
            (copy / path.name).write_bytes(kept)

        assert of_directory(copy, directory) in {RECORDED[directory], None}, path.name


@given(
    kernels=st.sets(st.sampled_from(sorted(set(RECORDED.values()))), min_size=1),
    data=st.data(),
)
@settings(max_examples=40, deadline=None)
def test_no_mixture_of_trials_and_sources_makes_another_era(kernels: set[Era], data: st.DataObject) -> None:
    """Trials of one era, whatever sources they lack, give it or none; those of several that tell, none."""
    theirs = [directory for directory, era in RECORDED.items() if era in kernels]
    missing = st.frozensets(st.sampled_from(SOURCES), max_size=6)
    trials = data.draw(st.lists(st.tuples(st.sampled_from(theirs), missing), min_size=1, max_size=5))
    found = classified(*trials)
    telling = {era for each in found.trials if (era := each.era)}

    assert all(
        each.era in {RECORDED[directory], None} for each, (directory, _) in zip(found.trials, trials, strict=True)
    )
    assert found.era is (telling.pop() if len(telling) == 1 else None)
