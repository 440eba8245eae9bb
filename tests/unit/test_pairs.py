"""The pairs of queries of one lookup, which search domains multiply: counted in packets, and shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.comparison.cells import Comparison, PairCounts, cell
from lab.foundation.home import SCENARIOS
from lab.judgement.judged import judge_trial
from lab.judgement.outcome import Verdict
from lab.judgement.pairs import Pairs
from lab.present import sentences
from lab.runs.run import RanOn
from tests import stored_runs
from tests.command_line import lab

EVIDENCE = Path(__file__).parents[1] / "evidence"

SEARCH = find.scenarios(SCENARIOS, ["nfqueue-search"])[0]


def lines(armed: tuple[bool, ...]) -> Iterator[str]:
    """Yield a verdict log's lines: a pair for each value, which stalls for five seconds if it is armed."""
    now_s = 100.0
    for number, is_armed in enumerate(armed):
        first, second = 1000 + number, 2000 + number
        queries = [("A", first, first, False), ("AAAA", second, second if is_armed else first, not is_armed)]
        if is_armed:
            queries += [("A", first, first, True), ("AAAA", second, first, True)]
        for place, (qtype, dns_id, ct_id, confirmed) in enumerate(queries):
            queued_s = now_s + place * 0.001 + (5.01 if place > 1 else 0)
            yield json.dumps(
                {
                    "event": "packet",
                    "id": place + 1,
                    "src": "10.10.10.89",
                    "sport": 40000 + number,
                    "dst": "10.10.10.53",
                    "dport": 53,
                    "dns_id": dns_id,
                    "type": qtype,
                    "ct_id": ct_id,
                    "confirmed": confirmed,
                    "queued_s": queued_s,
                    "released_s": queued_s + 0.1,
                    "verdict": "accept",
                }
            )
        now_s += 5.2 if is_armed else 0.2


def judged(directory: Path, number: int, armed: tuple[bool, ...]) -> Verdict:
    """Judge a trial of the scenario with search domains, whose pairs were armed, and so stalled, or not."""
    trial = directory / f"{number:04}"
    trial.mkdir(parents=True)
    (trial / "client.json").write_text(json.dumps({"lookup_s": 0.1 + 5.1 * sum(armed)}))
    (trial / "client.status").write_text("0\n")
    (trial / "verdict.jsonl").write_text("\n".join(lines(armed)) + "\n")
    return judge_trial(trial, SEARCH).verdict


@pytest.mark.parametrize(
    ("armed", "outcome"),
    [((True,) * 4, "stalled"), ((False, False, True, False), "stalled"), ((False,) * 4, "unarmed")],
)
def test_each_pair_is_armed_and_stalls_by_itself(tmp_path: Path, armed: tuple[bool, ...], outcome: str) -> None:
    """One armed pair of four is enough for the lookup to stall."""
    verdict = judged(tmp_path, 1, armed)

    assert verdict.outcome == outcome
    assert verdict.pairs == Pairs(4, sum(armed), sum(armed))
    says = f"4 pairs of queries: {sum(armed)} armed, {sum(armed)} waited for a timeout"
    assert (says in verdict.reason) == (outcome == "stalled")


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("old-nfqueue", Pairs(1, 1, 1)),
        ("new-nfqueue", Pairs(1, 1, 0)),
        ("old-nfqueue-held-0ms", Pairs(1, 0, 0)),
        ("old-nfqueue-cache", None),
        ("old-baseline", None),
    ],
)
def test_a_recorded_lookup_without_search_domains_is_one_pair(name: str, pairs: Pairs | None) -> None:
    """Queries of one socket each, as a cache sends them, are no pair; one pair is not worth a word."""
    scenario = find.scenarios(SCENARIOS, [name.partition("-")[2]])[0]
    verdict = judge_trial(EVIDENCE / "replicas" / name, scenario).verdict

    assert verdict.pairs == pairs
    assert "pairs" not in verdict.reason


def test_a_comparison_says_how_many_pairs_there_were(tmp_path: Path) -> None:
    """By them the chance of a stall multiplies: a third of the pairs, two of three lookups."""
    ran_on = RanOn(kernel="6.1", era=Era.DROP, system=System.REPLICA, title="t")
    verdicts = [
        judged(tmp_path, number, armed)
        for number, armed in enumerate([(True, True, False, False), (False, False, True, True), (False,) * 4])
    ]
    summary = cell("old", ran_on, SEARCH, verdicts)
    alone = cell(
        "old", ran_on, SEARCH, [Verdict(verdicts[0].outcome, armed=True, lookup_s=5.0, gathered=False, reason="")]
    )

    assert summary.pairs == PairCounts(lookups=3, armed_lookups=2, made=12, armed=4, stalled=4)
    (sentence,) = sentences.pairs(Comparison({"old": ran_on}, (summary, alone), {}))
    assert sentence == (
        "nfqueue-search on old (replica): 4 of 12 pairs of queries were armed, in 2 of 3 lookups; 4 waited for a "
        "timeout of 5 s"
    )


def test_a_recorded_lookup_with_search_domains_stalls_once(tmp_path: Path) -> None:
    """After the first timeout glibc asks one by one: no later pair is armed, and comparison and report say so."""
    stored = stored_runs.at(tmp_path)
    run = stored.run(("old-nfqueue-search",))
    page = tmp_path / "report.html"

    compared = lab(tmp_path, "compare", "--run", run.id)
    lab(tmp_path, "report", "--run", run.id, "-o", str(page))

    assert (
        "nfqueue-search on old (replica): 2 of 8 pairs of queries were armed, in 2 of 2 lookups; 2 waited for a "
        "timeout of 5 s"
    ) in " ".join(compared.stdout.split())
    assert "of 8 pairs of queries 2 armed, 2 stalled" in re.sub("<[^>]*>", "", page.read_text())
