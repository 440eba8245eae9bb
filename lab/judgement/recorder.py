"""Stores, judges and reports trials while they run."""

from __future__ import annotations

from dataclasses import dataclass

from lab.catalogue.scenario import Scenario
from lab.foundation.work import TrialEnded, TrialStarted, Work
from lab.judgement.judged import judge_trial
from lab.judgement.outcome import Verdict
from lab.runs.run import Run
from lab.runs.store import RunStore
from lab.runs.trial_stream import Begun, Ended


@dataclass(frozen=True)
class TrialRecorder:
    """Records the trials of a scenario on a machine.

    Attributes:
        store: The store of the raw files.
        run: The run.
        machine: The machine's name in the store.
        title: The machine's name in reports of progress.
        scenario: The scenario.
        work: Receives the reports of progress.
    """

    store: RunStore
    run: Run
    machine: str
    title: str
    scenario: Scenario
    work: Work

    def begin(self, trial: Begun, total: int) -> None:
        """Report the begin of one of `total` trials."""
        retry_s = self.scenario.retry_s
        self.work.emit(TrialStarted(self.title, self.scenario.name, trial.number, total, retry_s))

    def end(self, trial: Ended, total: int) -> Verdict:
        """Store, judge and report one of `total` trials.

        Raises:
            BrokenEnvironment: nothing can be written.
        """
        path = self.store.add_trial(self.run, self.machine, self.scenario.name, trial.number, trial.files)
        verdict = judge_trial(path, self.scenario).verdict
        self.work.emit(
            TrialEnded(self.title, self.scenario.name, trial.number, total, verdict.outcome, verdict.lookup_s)
        )
        return verdict
