"""Which era a kernel is of, by experiment: read off the packets of armed trials, with no knowledge of its version."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lab.arming import CLASHES
from lab.catalogue.era import Era
from lab.catalogue.scenario import Cache, Firewall, Scenario
from lab.evidence import kernel
from lab.evidence.trial import Evidence
from lab.evidence.verdict_log import Released
from lab.lifeline import Lifeline
from lab.sightings import NF_DROP, Stage
from lab.verdict import Outcome, Verdict


class Sure(StrEnum):
    """What an era rests on, the surest first."""

    TRACED = "traced"
    """The kernel's own trace shows what confirm did with the packet."""
    SEEN = "seen on the packet"
    """The packet showed it around confirm: with which conntrack it came back from the queue, or where it was lost."""
    COUNTED = "counters only"
    """The packet's fate fits two eras; conntrack's counters tell which."""


@dataclass(frozen=True)
class TrialEra:
    """What one trial says of the kernel.

    Attributes:
        era: The era; None when the trial does not tell.
        sure: What that rests on; None likewise.
        rests_on: The raw files that show it.
        reason: What they show, or why the trial does not tell, in a sentence.
    """

    era: Era | None
    sure: Sure | None
    rests_on: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Classification:
    """What the trials of a scenario say of the kernel.

    Attributes:
        era: The era; None when it cannot be told.
        sure: The surest thing that it rests on; None likewise.
        reason: What it rests on, or why it cannot be told, in a sentence.
        armed: How many trials were armed: no other says anything of a kernel.
        stalled: How many of these stalled.
        trials: What each trial says, in order.
    """

    era: Era | None
    sure: Sure | None
    reason: str
    armed: int
    stalled: int
    trials: tuple[TrialEra, ...]


@dataclass(frozen=True)
class _Sign:
    era: Era
    sure: Sure
    source: str
    words: str


def suits(scenario: Scenario) -> bool:
    """Tell whether trials of a scenario tell the eras apart.

    They do when both queries wait in a queue behind conntrack and one plain flow clashes with itself. Behind DNAT two
    conntracks cannot become one, a cache asks by sockets of its own, and without a queue nothing is looked up again.
    """
    alters = any(isinstance(step, Firewall | Cache) for step in scenario.step)
    queues = scenario.queues_packets and scenario.queue is not None and scenario.queue.table == "mangle"
    return scenario.arms and queues and not alters


def classify(scenario: Scenario, trials: Iterable[tuple[Verdict, Evidence]]) -> Classification:
    """Tell by its trials of one scenario which era a kernel is of.

    All armed trials that tell an era must tell the same; those that tell none do not count.

    Args:
        scenario: The scenario, which arms the race.
        trials: Each trial's verdict and the evidence that it was judged from.
    """
    judged = list(trials)
    eras = tuple(of_trial(scenario, verdict, evidence) for verdict, evidence in judged)
    armed = [verdict for verdict, _ in judged if verdict.armed]
    stalled = sum(verdict.outcome is Outcome.STALLED for verdict in armed)
    era, sure, reason = _together(eras, len(armed))
    return Classification(era, sure, reason, len(armed), stalled, eras)


def _together(eras: Sequence[TrialEra], armed: int) -> tuple[Era | None, Sure | None, str]:
    telling = [trial for trial in eras if trial.era]
    found = Counter(trial.era for trial in telling if trial.era)
    if len(found) > 1:
        told = ", ".join(f"{count} say {era}" for era, count in found.most_common())
        return None, None, f"the trials disagree: {told}"
    if not telling:
        return None, None, _silence(eras, armed)
    surest = min(telling, key=lambda trial: list(Sure).index(trial.sure or Sure.COUNTED))
    return surest.era, surest.sure, f"{len(telling)} of {armed} armed trials say so: {surest.reason}"


def _silence(eras: Sequence[TrialEra], armed: int) -> str:
    if not eras:
        return "no trial was made"
    reason, count = Counter(trial.reason for trial in eras).most_common(1)[0]
    if not armed:
        return f"no trial was armed; {count} of {len(eras)}: {reason}"
    return f"none of {armed} armed trials tells; {count} of {len(eras)}: {reason}"


def of_trial(scenario: Scenario, verdict: Verdict, evidence: Evidence) -> TrialEra:
    """Tell which era one trial shows; a trial that was not armed, or cannot be judged, shows none."""
    if not suits(scenario):
        return _tells_nothing(f"trials of {scenario.name} look alike in several eras")
    if not verdict.armed or verdict.outcome not in {Outcome.HEALTHY, Outcome.STALLED}:
        return _tells_nothing(f"{verdict.outcome}: {verdict.reason}")
    signs = [*_by_trace(evidence), *_by_older_trace(evidence), *_by_second_look(verdict, evidence)]
    signs += [*_by_loss(verdict, evidence), *_by_counters(verdict, evidence)]
    eras = {sign.era for sign in signs}
    if len(eras) > 1:
        return _tells_nothing("sources disagree: " + "; ".join(f"{sign.source}: {sign.words}" for sign in signs))
    if not signs:
        return _tells_nothing(_missing(verdict))
    era = eras.pop()
    if (era is Era.DROP) != (verdict.outcome is Outcome.STALLED):
        return _tells_nothing(f"{signs[0].source} shows era {era}, but the lookup {_went(verdict)}")
    sure = min((sign.sure for sign in signs), key=list(Sure).index)
    said = next(sign.words for sign in signs if sign.sure is sure)
    return TrialEra(era, sure, tuple(dict.fromkeys(sign.source for sign in signs)), said)


def _tells_nothing(reason: str) -> TrialEra:
    return TrialEra(None, None, (), reason)


def _went(verdict: Verdict) -> str:
    return "stalled" if verdict.outcome is Outcome.STALLED else "did not stall"


def _missing(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.STALLED:
        return "it stalled, but nothing shows that a query was lost at confirm"
    return "no query was lost, and neither a trace nor counters tell whether a clash was resolved or avoided"


def _by_trace(evidence: Evidence) -> Iterator[_Sign]:
    """Read what became of each query that was queued with a conntrack of its own: only what a trace shows counts.

    What it does not show may have been cut off.
    """
    ways: dict[tuple[int, int], list[kernel.Step]] = defaultdict(list)
    for step in kernel.steps(evidence.traced.value) if evidence.traced.value else ():
        ways[step.sport, step.dns_id].append(step)
    queued = {query: way for query, way in ways.items() if way[0].did is kernel.Did.QUEUED}
    for (sport, dns_id), way in queued.items():
        others = {rest[0].ct for (port, other), rest in queued.items() if port == sport and other != dns_id}
        others -= {way[0].ct, None}
        if way[0].ct is not None and others:
            yield from _of_way(_first_attempt(way), way[0].ct, others)


def _first_attempt(way: Sequence[kernel.Step]) -> list[kernel.Step]:
    """Leave out what was done when it was sent again: then it has the other's conntrack by right."""
    first, *later = way
    again = next((index for index, step in enumerate(later) if step.did is kernel.Did.QUEUED), len(later))
    return [first, *later[:again]]


def _of_way(way: Sequence[kernel.Step], mine: int, others: set[int | None]) -> Iterator[_Sign]:
    name = f"query id {way[0].dns_id}"
    for step, later in zip(way, (*way[1:], None), strict=True):
        if step.did is kernel.Did.REINJECTED and step.ct in others:
            yield _Sign(
                Era.RELOOKUP, Sure.TRACED, "trace", f"{name} had the other's conntrack when it came back from the queue"
            )
        if step.did is not kernel.Did.CONFIRMED or step.ct != mine:
            continue
        if step.returned == NF_DROP:
            yield _Sign(Era.DROP, Sure.TRACED, "trace", f"{name} was dropped by confirm")
        elif later and later.did is kernel.Did.SENT and later.ct in others:
            yield _Sign(
                Era.RESOLVE, Sure.TRACED, "trace", f"{name} clashed at confirm and left with the other's conntrack"
            )


def _by_older_trace(evidence: Evidence) -> Iterator[_Sign]:
    """A trace without addresses of packets tells what confirm returned for each.

    That confirm is not entered at all is no sign here: the end of such a trace cannot be told from a lost one.
    """
    packets = evidence.queued.value or ()
    traced = evidence.traced.value
    returns = kernel.returns_in_order(traced, len(packets)) if traced and packets else None
    confirmed: Mapping[int, set[int | None]] = defaultdict(set)
    for packet, returned in zip(packets, returns or (), strict=bool(returns)):
        others = confirmed[packet.flow.sport] - {packet.ct}
        name = f"query id {packet.dns_id}"
        if returned == NF_DROP and others:
            yield _Sign(Era.DROP, Sure.TRACED, "trace", f"{name} was dropped by confirm")
        elif returned is not None and others:
            words = f"{name} entered confirm with a conntrack of its own and was let through"
            yield _Sign(Era.RESOLVE, Sure.TRACED, "trace", words)
        if returned:
            confirmed[packet.flow.sport].add(packet.ct)


def _by_second_look(verdict: Verdict, evidence: Evidence) -> Iterator[_Sign]:
    """Read what conntrack a query had that came back from the queue and went through the hook once more (NF_REPEAT).

    The first one was confirmed by then. With that one's conntrack it was looked up again; with one of its own it came
    to clash at confirm, and was let through there or not.
    """
    first: dict[int | None, Released] = {}
    for packet in evidence.verdicts.value.packets if evidence.verdicts.value else ():
        first.setdefault(packet.dns_id, packet)
    for packet in evidence.again.value.packets if evidence.again.value else ():
        before = first.get(packet.dns_id)
        has_own = before and _has_own(before, packet, evidence)
        name = f"query id {packet.dns_id}"
        if has_own is False:
            words = f"{name} had the other's conntrack when it came back from the queue"
            yield _Sign(Era.RELOOKUP, Sure.SEEN, "again.jsonl", words)
        elif has_own and verdict.outcome is Outcome.HEALTHY:
            words = f"{name} came back from the queue with a conntrack of its own, and confirm let it through"
            yield _Sign(Era.RESOLVE, Sure.SEEN, "again.jsonl", words)
        elif has_own and any(_lost_on_the_way_out(line) for line in verdict.lifelines if line.dns_id == packet.dns_id):
            words = f"{name} came back from the queue with a conntrack of its own, and was lost behind it"
            yield _Sign(Era.DROP, Sure.SEEN, "again.jsonl", words)


def _has_own(before: Released, packet: Released, evidence: Evidence) -> bool | None:
    """Tell whether a packet still has the unconfirmed conntrack that it had before; None where nothing tells.

    Where the kernel does not tell its id, the namespace has one conntrack less when it was given up.
    """
    if packet.ct_id is not None and before.ct_id is not None:
        if packet.ct_id == before.ct_id:
            return None if packet.confirmed else True
        return False if packet.confirmed else None
    sizes = evidence.table_sizes.value
    if packet.conntracks is None or sizes is None:
        return None
    return {1: False, 2: True}.get(packet.conntracks - sizes[0])


def _by_loss(verdict: Verdict, evidence: Evidence) -> Iterator[_Sign]:
    """A query that was let go and never left was lost in between, where confirm is."""
    rose = _clashes(evidence)
    for line in verdict.lifelines:
        name = f"query id {line.dns_id}"
        if not _lost_on_the_way_out(line):
            continue
        if line.last_seen is Stage.VERDICT and line.lost_at is Stage.WIRE:
            yield _Sign(Era.DROP, Sure.SEEN, "client.pcap", f"{name} was let go and did not reach the wire")
        elif rose:
            words = f"{name} was lost between the queue and the server, and {_told(rose)}"
            yield _Sign(Era.DROP, Sure.COUNTED, "stat.after", words)


def _lost_on_the_way_out(line: Lifeline) -> bool:
    seen_in = {Stage.SENT, Stage.QUEUED, Stage.VERDICT}
    return line.lost_at in {Stage.CONFIRM, Stage.WIRE, Stage.SERVER} and line.last_seen in seen_in


def _by_counters(verdict: Verdict, evidence: Evidence) -> Iterator[_Sign]:
    """Tell two eras that lose nothing apart by what a clash counts."""
    rose = _clashes(evidence)
    if verdict.outcome is not Outcome.HEALTHY or rose is None:
        return
    if rose:
        yield _Sign(Era.RESOLVE, Sure.COUNTED, "stat.after", f"both queries were answered, and {_told(rose)}")
    elif _is_alive(evidence):
        words = "both queries were answered, and no counter of clashes rose"
        yield _Sign(Era.RELOOKUP, Sure.COUNTED, "stat.after", words)


def _clashes(evidence: Evidence) -> dict[str, int] | None:
    """Give what counts clashes and rose; None when the counters are not known in full."""
    counted = evidence.counted
    if counted.value is None or not counted.whole:
        return None
    return {name: counted.value[name] for name in CLASHES if counted.value.get(name)}


def _is_alive(evidence: Evidence) -> bool:
    """Tell whether the counters are of the trial's own namespace: in another one nothing happens, and nothing rises."""
    sizes = evidence.table_sizes.value
    return bool(sizes and sizes[1] > sizes[0]) or any((evidence.counted.value or {}).values())


def _told(rose: Mapping[str, int]) -> str:
    return ", ".join(f"{name} rose by {count}" for name, count in rose.items())
