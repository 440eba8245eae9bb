"""Comparison of a real kernel's trial with a replica's: where the events differ.

Times, addresses, ids and processors differ per trial. A stage that was not traced in one of the two proves nothing
there: neither 3.10 kernel shows a clash (-123 has no function for it, that of -1127 was inlined). Everything else is
compared, query by query and event by event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.catalogue import find
from lab.catalogue.scenario import Scenario
from lab.evidence import kernel, trial
from lab.evidence.trial import Evidence
from lab.foundation.home import SCENARIOS
from lab.judgement import verdict
from lab.judgement.lifeline import Lifeline, Status
from lab.judgement.outcome import Verdict

EVIDENCE = Path(__file__).parent / "evidence"
REAL = EVIDENCE / "real-kernels"
REPLICAS = {"el70": "old", "el78": "new"}
"""The replica of each real kernel whose trials were recorded."""

BARE, TRACED = "0001", "0003"
"""Two recorded trials of each scenario: one without evidence and one with it."""

SCENARIO_NAMES = sorted(path.name for path in (REAL / "el70").iterdir())

COUNTERS = ("insert_failed", "drop")
"""Counters that every kernel has. `new`, `insert` and `delete` have not counted since 5.x; `clash_resolve` was added
later."""


@dataclass(frozen=True)
class Twin:
    """One of the two trials.

    Attributes:
        evidence: Parsed raw files.
        verdict: Verdict on the trial.
    """

    evidence: Evidence
    verdict: Verdict


def scenario_of(name: str) -> Scenario:
    """Return one of the lab's scenarios."""
    return find.scenarios(SCENARIOS, [name])[0]


def read(directory: Path, scenario: Scenario) -> Twin:
    """Read and judge a trial's raw files."""
    evidence = trial.read(directory)
    return Twin(evidence, verdict.judge(evidence, scenario))


def differences(real: Twin, replica: Twin, scenario: Scenario) -> list[str]:
    """Return the differences between two trials; none when the replica matches the real kernel."""
    differences = [*_of_outcome(real, replica)]
    if scenario.may_stay_unarmed:
        # Which of its many lookups meet the race is random; how such a lookup ends is not.
        return [*differences, *_of_chance(real, replica)]
    return [*differences, *_of_queries(real, replica), *_of_kernel(real, replica), *_of_counters(real, replica)]


def _of_outcome(real: Twin, replica: Twin) -> Iterator[str]:
    one, other = real.verdict, replica.verdict
    if (one.outcome, one.armed) != (other.outcome, other.armed):
        yield f"{one.outcome}, armed {one.armed}; the replica: {other.outcome}, armed {other.armed}"


def _of_chance(real: Twin, replica: Twin) -> Iterator[str]:
    lost = [{line.attempt for line in twin.verdict.lifelines if line.lost_at} for twin in (real, replica)]
    if real.evidence.gathered and lost[0] != lost[1]:
        yield f"attempts lost: {lost[0]}; the replica: {lost[1]}"
    clashed = [
        {name: bool((twin.evidence.counted.value or {}).get(name)) for name in COUNTERS} for twin in (real, replica)
    ]
    if clashed[0] != clashed[1]:
        yield f"counters that rose: {clashed[0]}; the replica: {clashed[1]}"


def _of_queries(real: Twin, replica: Twin) -> Iterator[str]:
    ways = [_ways(twin.verdict.lifelines) for twin in (real, replica)]
    if ways[0].keys() != ways[1].keys():
        yield f"queries {sorted(ways[0])}; the replica: {sorted(ways[1])}"
    for query in sorted(ways[0].keys() & ways[1].keys()):
        for point, twin in zip(ways[0][query].points, ways[1][query].points, strict=True):
            if Status.NOT_TRACED in {point.status, twin.status}:
                continue
            if (point.stage, point.status, point.returned) != (twin.stage, twin.status, twin.returned):
                was, became = f"{point.status} {point.returned}", f"{twin.status} {twin.returned}"
                yield f"{query}: {point.stage}: {was}; the replica: {became}"


def _ways(lines: tuple[Lifeline, ...]) -> dict[tuple[str, int], Lifeline]:
    return {(line.qtype or "?", line.attempt): line for line in lines}


def _of_kernel(real: Twin, replica: Twin) -> Iterator[str]:
    """Compare the kernel steps traced in both: each function, its return value and its conntrack."""
    steps = [_steps(twin) for twin in (real, replica)]
    if not all(steps):
        return
    for qtype in steps[0].keys() | steps[1].keys():
        one, other = steps[0].get(qtype), steps[1].get(qtype)
        if one != other:
            yield f"{qtype} in the kernel: {one}; the replica: {other}"


def _steps(twin: Twin) -> dict[str, list[tuple[str, int | None, int | None]]]:
    """Return each query's steps; conntracks are numbered in order of appearance."""
    traced = twin.evidence.traced.value
    qtypes = {line.dns_id: line.qtype or "?" for line in twin.verdict.lifelines}
    numbers: dict[int | None, int | None] = {None: None}
    steps: dict[str, list[tuple[str, int | None, int | None]]] = defaultdict(list)
    for step in kernel.extract_steps(traced) if traced else ():
        number = numbers.setdefault(step.ct, len(numbers))
        steps[qtypes.get(step.dns_id, "?")].append((step.did.value, step.returned, number))
    return dict(steps)


def _of_counters(real: Twin, replica: Twin) -> Iterator[str]:
    rose = [{name: (twin.evidence.counted.value or {}).get(name) for name in COUNTERS} for twin in (real, replica)]
    if rose[0] != rose[1]:
        yield f"counters: {rose[0]}; the replica: {rose[1]}"
