"""Judges a trial from its directory of raw files; the only path from files to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lab.catalogue.scenario import Scenario
from lab.foundation.later import Later
from lab.judgement.kept import KeptVerdicts
from lab.judgement.outcome import Verdict

if TYPE_CHECKING:
    from lab.evidence import trial
    from lab.evidence.trial import Evidence
    from lab.judgement import verdict
else:
    trial = Later("lab.evidence.trial")
    verdict = Later("lab.judgement.verdict")


class JudgedTrial(NamedTuple):
    """A trial's verdict and evidence."""

    verdict: Verdict
    evidence: Evidence


def judge_trial(directory: Path, scenario: Scenario) -> JudgedTrial:
    """Read a trial's raw files, and judge the trial of a scenario."""
    evidence = trial.read(directory)
    return JudgedTrial(verdict.judge(evidence, scenario), evidence)


def judge_cell(directories: Sequence[Path], scenario: Scenario) -> list[Verdict]:
    """Return the verdicts of a cell's trials without lifelines; those of unchanged files as they are kept beside them.

    Args:
        directories: The trials' directories, all in the cell's.
        scenario: The cell's scenario.
    """
    if not directories:
        return []
    kept = KeptVerdicts(directories[0].parent, scenario)
    verdicts = []
    for directory in directories:
        known = kept.get(directory)
        if known is None:
            # Lifelines are dropped: no table needs them, and those of a thousand trials take much memory.
            known = replace(judge_trial(directory, scenario).verdict, lifelines=())
            kept.put(directory, known)
        verdicts.append(known)
    kept.store()
    return verdicts
