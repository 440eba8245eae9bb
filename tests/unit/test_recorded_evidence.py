"""The verdicts on trials recorded on real kernels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.evidence import trial
from lab.home import SCENARIOS
from lab.verdict import Outcome, judge

EVIDENCE = Path(__file__).parents[1] / "evidence"
EXPECTED: dict[str, dict[str, str]] = json.loads((EVIDENCE / "expected.json").read_text())
TRIALS = [(kernel, number) for kernel, trials in EXPECTED.items() for number in trials]
(NFQUEUE,) = find.scenarios(SCENARIOS, ["nfqueue"])


@pytest.mark.parametrize(("kernel", "number"), TRIALS)
def test_a_recorded_trial_is_judged_as_its_files_say(kernel: str, number: str) -> None:
    """The outcome is the one a person reads off the raw files."""
    verdict = judge(trial.read(EVIDENCE / kernel / number), NFQUEUE)

    assert verdict.outcome == EXPECTED[kernel][number]
    assert verdict.armed == (verdict.outcome is not Outcome.UNARMED)


def test_every_recorded_trial_is_judged() -> None:
    """A directory of evidence without an expected outcome would test nothing."""
    recorded = {(path.parent.name, path.name) for path in EVIDENCE.glob("*/[0-9]*")}

    assert recorded == set(TRIALS)


@pytest.mark.parametrize("missing", ["curl.json", "dmesg"])
@pytest.mark.parametrize(("kernel", "number"), TRIALS)
def test_a_missing_source_never_makes_a_verdict_wrong(kernel: str, number: str, missing: str, tmp_path: Path) -> None:
    """Without the client's timings or the hook's log there is nothing to judge by, and the verdict says so."""
    copy = tmp_path / "trial"
    shutil.copytree(EVIDENCE / kernel / number, copy)
    (copy / missing).unlink()

    verdict = judge(trial.read(copy), NFQUEUE)

    assert verdict.outcome is Outcome.FAILED
    assert missing in verdict.reason
