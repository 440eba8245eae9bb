"""Classifies a kernel's era by experiment, from the packets of armed trials, without using its version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.catalogue.era import Era
from lab.catalogue.scenario import Cache, Firewall, Scenario
from lab.evidence.trial import Evidence
from lab.foundation.language import N_
from lab.judgement.era_signs import Sure, find_signs
from lab.judgement.outcome import Outcome, Verdict


@dataclass(frozen=True)
class TrialEra:
    """The era that one trial shows.

    Attributes:
        era: The era; None when the trial does not determine it.
        sure: The strength of the evidence; None without an era.
        rests_on: The raw files that show the era.
        reason: What these files show, or why the era is unknown, in a sentence.
    """

    era: Era | None
    sure: Sure | None
    rests_on: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Classification:
    """A kernel's era by the trials of one scenario.

    Attributes:
        era: The era; None when it cannot be determined.
        sure: The strongest evidence; None without an era.
        reason: What the era is based on, or why it is unknown, in a sentence.
        armed: Number of armed trials; only these are evidence about a kernel.
        stalled: Number of armed trials that stalled.
        trials: Each trial's era, in order.
    """

    era: Era | None
    sure: Sure | None
    reason: str
    armed: int
    stalled: int
    trials: tuple[TrialEra, ...]


def is_suitable(scenario: Scenario) -> bool:
    """Return whether trials of a scenario can distinguish the eras.

    They can when both queries wait in a queue after conntrack, and a flow without NAT clashes with itself. With DNAT
    two conntracks cannot be merged, a cache queries from its own sockets, and without a queue there is no relookup.
    """
    alters = any(isinstance(step, Firewall | Cache) for step in scenario.step)
    queues = scenario.queues_packets and scenario.queue is not None and scenario.queue.table == "mangle"
    return scenario.arms and queues and not alters


def classify(scenario: Scenario, trials: Iterable[tuple[Verdict, Evidence]]) -> Classification:
    """Classify a kernel's era from its trials of one scenario.

    All armed trials that determine an era must agree; the others are ignored.

    Args:
        scenario: The scenario, which arms the race.
        trials: Each trial's verdict and evidence.
    """
    judged = list(trials)
    eras = tuple(classify_trial(scenario, verdict, evidence) for verdict, evidence in judged)
    armed = [verdict for verdict, _ in judged if verdict.armed]
    stalled = sum(verdict.outcome is Outcome.STALLED for verdict in armed)
    era, sure, reason = _summarize(eras, len(armed))
    return Classification(era, sure, reason, len(armed), stalled, eras)


def _summarize(eras: Sequence[TrialEra], armed: int) -> tuple[Era | None, Sure | None, str]:
    known = [trial for trial in eras if trial.era]
    counts = Counter(trial.era for trial in known if trial.era)
    if len(counts) > 1:
        votes = ", ".join(f"{count} show {era}" for era, count in counts.most_common())
        return None, None, f"the trials disagree: {votes}"
    if not known:
        return None, None, _explain_unknown(eras, armed)
    surest = min(known, key=lambda trial: list(Sure).index(trial.sure or Sure.COUNTED))
    return surest.era, surest.sure, f"{len(known)} of {armed} armed trials show it: {surest.reason}"


def _explain_unknown(eras: Sequence[TrialEra], armed: int) -> str:
    if not eras:
        return "no trial was made"
    reason, count = Counter(trial.reason for trial in eras).most_common(1)[0]
    if not armed:
        return f"no trial was armed; {count} of {len(eras)}: {reason}"
    return f"none of {armed} armed trials determines the era; {count} of {len(eras)}: {reason}"


def classify_trial(scenario: Scenario, verdict: Verdict, evidence: Evidence) -> TrialEra:
    """Determine the era that one trial shows; unarmed and unjudged trials show none."""
    if not is_suitable(scenario):
        return _unknown(N_(f"trials of {scenario.name} cannot distinguish the eras"))
    if not verdict.armed or verdict.outcome not in {Outcome.HEALTHY, Outcome.STALLED}:
        return _unknown(f"{verdict.outcome}: {verdict.reason}")
    signs = find_signs(verdict, evidence)
    eras = {sign.era for sign in signs}
    if len(eras) > 1:
        return _unknown("sources disagree: " + "; ".join(f"{sign.source}: {sign.words}" for sign in signs))
    if not signs:
        return _unknown(_explain_missing(verdict))
    era = eras.pop()
    if (era is Era.DROP) != (verdict.outcome is Outcome.STALLED):
        return _unknown(N_(f"{signs[0].source} shows era {era}, but the lookup {_describe_duration(verdict)}"))
    sure = min((sign.sure for sign in signs), key=list(Sure).index)
    reason = next(sign.words for sign in signs if sign.sure is sure)
    return TrialEra(era, sure, tuple(dict.fromkeys(sign.source for sign in signs)), reason)


def _unknown(reason: str) -> TrialEra:
    return TrialEra(None, None, (), reason)


def _describe_duration(verdict: Verdict) -> str:
    return "stalled" if verdict.outcome is Outcome.STALLED else "did not stall"


def _explain_missing(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.STALLED:
        return "it stalled, but nothing shows that a query was lost at confirm"
    return "no query was lost, and neither trace nor counters show whether a clash was resolved or avoided"
