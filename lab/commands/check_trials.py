"""The trials of `lab check` on one machine: made, stored and judged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lab.catalogue.machine import System
from lab.catalogue.scenario import Scenario
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from lab.judgement.judged import JudgedTrial, judge_trial
from lab.judgement.recorder import TrialRecorder
from lab.remote_check import trials
from lab.remote_check.look import Look
from lab.remote_check.plan import CheckPlan
from lab.remote_check.reach import Reach
from lab.remote_check.trials import Batch
from lab.runs.run import RanOn, Run
from lab.runs.store import RunStore
from lab.runs.trial_stream import Begun


@dataclass(frozen=True)
class StoredTrials:
    """The trials that were made.

    Attributes:
        run: The stored run.
        plain: Those of a plain clash.
        behind_dnat: Those behind DNAT; None when there are none.
        why_not_dnat: Why there are none; empty when there are.
    """

    run: Run
    plain: tuple[JudgedTrial, ...]
    behind_dnat: tuple[JudgedTrial, ...] | None
    why_not_dnat: str


@dataclass(frozen=True)
class Experiment:
    """The trials on one machine.

    Attributes:
        store: Where they are stored.
        work: Reports each.
        name: The machine.
        look: What it has.
        plan: How they are made.
        count: How many of each kind are made side by side.
    """

    store: RunStore
    work: Work
    name: str
    look: Look
    plan: CheckPlan
    count: int

    @property
    def scenario(self) -> Scenario:
        """The scenario of a plain clash."""
        return trials.plain(self.plan, self.count).scenario

    def make(self, reach: Reach, built: Path) -> StoredTrials:
        """Make the trials; those behind DNAT come last, and a failure there leaves the others valid.

        Args:
            reach: The way into the machine.
            built: The program that makes them.

        Raises:
            RuleRefusedError: the kernel refuses the planned rule.
            BrokenEnvironment: the machine went away; finished trials are kept.
        """
        plain, behind_dnat = trials.plain(self.plan, self.count), trials.behind_dnat(self.plan, self.count)
        scenarios = [batch.scenario for batch in (plain, behind_dnat) if batch]
        run = self.store.begin({self._directory: self._ran_on()}, scenarios, plain.size)
        self._make(reach, built, run, plain)
        why_not = self.plan.behind_dnat.why_not
        if behind_dnat:
            try:
                self._make(reach, built, run, behind_dnat)
            except BrokenEnvironment as error:
                why_not = error.message
        run = self.store.finish(run)
        judged_behind_dnat = self._judged(run, behind_dnat.scenario) if behind_dnat and not why_not else None
        return StoredTrials(run, self._judged(run, plain.scenario), judged_behind_dnat, why_not)

    @property
    def _directory(self) -> str:
        """The machine's name in the store, which makes a directory of it."""
        return re.sub(r"[^A-Za-z0-9.-]", "-", self.name)

    def _ran_on(self) -> RanOn:
        distribution = self.look.distribution
        system = System.REPLICA if self.look.is_replica else System.HOST
        title = f"{distribution or 'a machine'}, as it is"
        return RanOn(kernel=self.look.kernel, era=None, system=system, title=title, distribution=distribution)

    def _make(self, reach: Reach, built: Path, run: Run, batch: Batch) -> None:
        recorder = TrialRecorder(self.store, run, self._directory, self.name, batch.scenario, self.work)
        armed: list[bool] = []
        where = " behind DNAT to two servers" if batch.scenario.name == trials.BEHIND_DNAT else ""
        with self.work.step(f"making {batch.size} trials side by side{where}", self.name):
            for trial in trials.make(reach, built, batch, lambda: any(armed), sudo=self.plan.sudo):
                # A further round numbers its trials on.
                total = max(trial.number, batch.size)
                if isinstance(trial, Begun):
                    recorder.begin(trial, total)
                else:
                    armed.append(bool(recorder.end(trial, total).armed))

    def _judged(self, run: Run, scenario: Scenario) -> tuple[JudgedTrial, ...]:
        paths = self.store.trials(run, self._directory, scenario.name)
        return tuple(judge_trial(path, scenario) for path in paths)
