"""The sentence of `lab check`: it claims what trials showed, plain and behind DNAT, and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.catalogue.machine import System
from lab.commands.check_result import Checked, Clashed
from lab.evidence import trial
from lab.judgement import verdict
from lab.judgement.era import classify
from lab.judgement.outcome import Outcome, Verdict
from lab.present import ticket
from lab.present.json import check
from lab.remote_check import look, plan, trials
from lab.remote_check.trials import Batch
from lab.runs.run import RanOn, Run

TESTS = Path(__file__).parents[1]
EVIDENCE = TESTS / "evidence" / "check"
SEEN = look.parse((TESTS / "looks" / "debian-12-cloud.txt").read_text())
PLANNED = plan.of(SEEN)
FREE = "NFQUEUE before confirm does not cost five seconds here"


def judged(batch: Batch | None, directory: str) -> Verdict:
    """Judge a recorded trial of a check."""
    assert batch is not None
    return verdict.judge(trial.read(EVIDENCE / directory), batch.scenario)


def checked(plain: str, behind_dnat: str | None = None, why_not: str = "") -> Checked:
    """Return the result of a check with one trial of each kind."""
    batch = trials.plain(PLANNED, 1)
    run = Run(
        schema_version=1,
        id="20261129T101740Z",
        started="2026-11-29T10:17:40Z",
        finished=None,
        trials=1,
        machines={"web1": RanOn(kernel=SEEN.kernel, era=None, system=System.HOST, title="t")},
        scenarios={},
    )
    one = judged(batch, plain)
    other = judged(trials.behind_dnat(PLANNED, 1), behind_dnat) if behind_dnat else None
    classification = classify(batch.scenario, [(one, trial.read(EVIDENCE / plain))])
    clashed = Clashed((other,)) if other else None
    return Checked("web1", SEEN, PLANNED, run, Path(), classification, (one,), clashed, why_not, named=False, left=())


def test_a_kernel_that_stalls_behind_dnat_only_is_not_called_free_of_stalls() -> None:
    """3.10.0-1127 is such a kernel: its fix covers the plain clash only."""
    sentence = ticket.checked(checked("6.1-rewound-to-resolve/plain", "6.1-rewound-to-resolve/dnat"))

    assert "1 of 1 trials armed, every clash resolved, no stall; behind DNAT to two servers 1 of 1" in sentence
    assert "1 stalled (2.7 s" in sentence
    assert f"{FREE}, except behind DNAT to two servers." in sentence


def test_a_kernel_not_tried_behind_dnat_is_cleared_for_plain_clashes_only() -> None:
    """The sentence gives the reason why DNAT was not tried."""
    sentence = ticket.checked(checked("6.1/plain", why_not="nft_nat is missing"))

    assert "behind DNAT to two servers it was not tried: nft_nat is missing" in sentence
    assert f"{FREE} in a plain clash." in sentence


def test_an_unarmed_trial_behind_dnat_clears_nothing() -> None:
    """It says nothing about the kernel."""
    classification = checked("6.1/plain", "6.1-rewound-to-resolve/dnat")
    assert classification.behind_dnat is not None
    unarmed = replace(classification.behind_dnat.verdicts[0], armed=False, outcome=Outcome.UNARMED)
    sentence = ticket.checked(replace(classification, behind_dnat=Clashed((unarmed,))))

    assert "behind DNAT to two servers 0 of 1 trials armed; " in sentence
    assert f"{FREE} in a plain clash." in sentence


def test_a_failed_trial_behind_dnat_does_not_count_as_stalled() -> None:
    """It does not count as armed, and its time is not a stall."""
    classification = checked("6.1/plain", "6.1-rewound-to-resolve/dnat")
    assert classification.behind_dnat is not None
    (stalled,) = classification.behind_dnat.verdicts
    failed = replace(stalled, outcome=Outcome.FAILED, lookup_s=5.06)
    sentence = ticket.checked(replace(classification, behind_dnat=Clashed((stalled, failed, failed))))

    assert "behind DNAT to two servers 1 of 3 trials armed, 1 stalled (2.7 s with" in sentence


def test_a_kernel_that_stalls_in_a_plain_clash_is_reported_as_stalling() -> None:
    """A good result behind DNAT does not change that."""
    sentence = ticket.checked(checked("6.1-rewound-to-drop/plain", why_not="w"))

    assert "NFQUEUE before confirm stalls lookups here." in sentence
    assert FREE not in sentence


@pytest.mark.parametrize(
    ("behind_dnat", "fields"),
    [
        ("6.1-rewound-to-resolve/dnat", {"tried": True, "armed": 1, "stalled": 1}),
        (None, {"tried": False, "why_not": "w"}),
    ],
)
def test_json_has_both_clashes(behind_dnat: str | None, fields: dict[str, object]) -> None:
    """It says whether DNAT was tried, with the result or the reason."""
    message = check.checked(checked("6.1-rewound-to-resolve/plain", behind_dnat, "" if behind_dnat else "w"))

    part = message["behind_dnat"]
    assert isinstance(part, dict)
    assert {name: part[name] for name in fields} == fields
    assert message["era"] == "resolve"
