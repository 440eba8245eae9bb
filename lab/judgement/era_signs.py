"""Finds signs of an era in a trial's evidence: the kernel's trace, reinjected packets, losses and counters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lab.catalogue.era import Era
from lab.evidence import kernel
from lab.evidence.constants import NF_DROP
from lab.evidence.trial import Evidence
from lab.evidence.verdict_log import Released
from lab.foundation.language import N_
from lab.judgement.arming import CLASHES
from lab.judgement.lifeline import Lifeline
from lab.judgement.outcome import Outcome, Verdict
from lab.judgement.sightings import Stage


class Sure(StrEnum):
    """The strength of the evidence for an era, the strongest first."""

    TRACED = "traced"
    """The kernel's own trace shows what confirm did with the packet."""
    SEEN = "seen on the packet"
    """The packet shows it: its conntrack after reinjection, or the place where it was lost."""
    COUNTED = "counters only"
    """The packet's fate fits two eras; conntrack's counters distinguish them."""


@dataclass(frozen=True)
class Sign:
    """A sign of an era.

    Attributes:
        era: The era.
        sure: The strength of the evidence.
        source: The raw file that shows it.
        words: What it shows, in a sentence.
    """

    era: Era
    sure: Sure
    source: str
    words: str


def find_signs(verdict: Verdict, evidence: Evidence) -> list[Sign]:
    """Return all signs of an era in an armed trial that could be judged."""
    return [
        *_by_trace(evidence),
        *_by_trace_without_packets(evidence),
        *_by_repeat(verdict, evidence),
        *_by_loss(verdict, evidence),
        *_by_counters(verdict, evidence),
    ]


def _by_trace(evidence: Evidence) -> Iterator[Sign]:
    """Classify by the traced path of each query that was queued with its own conntrack.

    Only traced events count: missing ones may have been lost.
    """
    paths: dict[tuple[int, int], list[kernel.PacketStep]] = defaultdict(list)
    for step in kernel.extract_steps(evidence.traced.value) if evidence.traced.value else ():
        paths[step.sport, step.dns_id].append(step)
    queued = {query: path for query, path in paths.items() if path[0].did is kernel.Action.QUEUED}
    for (sport, dns_id), path in queued.items():
        others = {rest[0].ct for (port, other), rest in queued.items() if port == sport and other != dns_id}
        others -= {path[0].ct, None}
        if path[0].ct is not None and others:
            yield from _classify_path(_first_attempt(path), path[0].ct, others)


def _first_attempt(path: Sequence[kernel.PacketStep]) -> list[kernel.PacketStep]:
    """Return the steps of the first attempt: a retransmitted query legitimately has the other's conntrack."""
    first, *later = path
    again = next((index for index, step in enumerate(later) if step.did is kernel.Action.QUEUED), len(later))
    return [first, *later[:again]]


def _classify_path(path: Sequence[kernel.PacketStep], own: int, others: set[int | None]) -> Iterator[Sign]:
    name = f"query id {path[0].dns_id}"
    for step, later in zip(path, (*path[1:], None), strict=True):
        if step.did is kernel.Action.REINJECTED and step.ct in others:
            yield Sign(
                Era.RELOOKUP, Sure.TRACED, "trace", N_(f"{name} had the other's conntrack when it was reinjected")
            )
        if step.did is not kernel.Action.CONFIRMED or step.ct != own:
            continue
        if step.returned == NF_DROP:
            yield Sign(Era.DROP, Sure.TRACED, "trace", N_(f"{name} was dropped by confirm"))
        elif later and later.did is kernel.Action.SENT and later.ct in others:
            yield Sign(
                Era.RESOLVE, Sure.TRACED, "trace", N_(f"{name} clashed at confirm and left with the other's conntrack")
            )


def _by_trace_without_packets(evidence: Evidence) -> Iterator[Sign]:
    """Classify by confirm's return values in a trace without packet addresses.

    A missing confirm is not evidence here: it cannot be distinguished from a lost end of the trace.
    """
    packets = evidence.queued.value or ()
    traced = evidence.traced.value
    returns = kernel.match_returns(traced, len(packets)) if traced and packets else None
    confirmed: Mapping[int, set[int | None]] = defaultdict(set)
    for packet, returned in zip(packets, returns or (), strict=bool(returns)):
        others = confirmed[packet.flow.sport] - {packet.ct}
        name = f"query id {packet.dns_id}"
        if returned == NF_DROP and others:
            yield Sign(Era.DROP, Sure.TRACED, "trace", N_(f"{name} was dropped by confirm"))
        elif returned is not None and others:
            words = N_(f"{name} entered confirm with its own conntrack and was accepted")
            yield Sign(Era.RESOLVE, Sure.TRACED, "trace", words)
        if returned:
            confirmed[packet.flow.sport].add(packet.ct)


def _by_repeat(verdict: Verdict, evidence: Evidence) -> Iterator[Sign]:
    """Classify by the conntrack of a query that was reinjected and passed the hook again (NF_REPEAT).

    The first query was confirmed by then. With the first one's conntrack the query was looked up again; with its own
    conntrack it clashed at confirm, and was accepted or dropped there.
    """
    first: dict[int | None, Released] = {}
    for packet in evidence.verdicts.value.packets if evidence.verdicts.value else ():
        first.setdefault(packet.dns_id, packet)
    for packet in evidence.again.value.packets if evidence.again.value else ():
        before = first.get(packet.dns_id)
        has_own = before and _has_own(before, packet, evidence)
        name = f"query id {packet.dns_id}"
        if has_own is False:
            words = N_(f"{name} had the other's conntrack when it was reinjected")
            yield Sign(Era.RELOOKUP, Sure.SEEN, "again.jsonl", words)
        elif has_own and verdict.outcome is Outcome.HEALTHY:
            words = N_(f"{name} was reinjected with its own conntrack, and confirm accepted it")
            yield Sign(Era.RESOLVE, Sure.SEEN, "again.jsonl", words)
        elif has_own and any(_lost_on_the_way_out(line) for line in verdict.lifelines if line.dns_id == packet.dns_id):
            words = N_(f"{name} was reinjected with its own conntrack, and was lost after the queue")
            yield Sign(Era.DROP, Sure.SEEN, "again.jsonl", words)


def _has_own(before: Released, packet: Released, evidence: Evidence) -> bool | None:
    """Return whether a packet still has its first, unconfirmed conntrack; None if that is unknown.

    Without conntrack ids the namespace's count decides: it is lower by one when the conntrack was released.
    """
    if packet.ct_id is not None and before.ct_id is not None:
        if packet.ct_id == before.ct_id:
            return None if packet.confirmed else True
        return False if packet.confirmed else None
    sizes = evidence.table_sizes.value
    if packet.conntracks is None or sizes is None:
        return None
    return {1: False, 2: True}.get(packet.conntracks - sizes[0])


def _by_loss(verdict: Verdict, evidence: Evidence) -> Iterator[Sign]:
    """Classify by loss: a query that was released but not transmitted was lost in between, at confirm."""
    rose = _clashes(evidence)
    for line in verdict.lifelines:
        name = f"query id {line.dns_id}"
        if not _lost_on_the_way_out(line):
            continue
        if line.last_seen is Stage.VERDICT and line.lost_at is Stage.WIRE:
            yield Sign(Era.DROP, Sure.SEEN, "client.pcap", N_(f"{name} was released and did not reach the wire"))
        elif rose:
            words = N_(f"{name} was lost between the queue and the server, and {_risen(rose)}")
            yield Sign(Era.DROP, Sure.COUNTED, "stat.after", words)


def _lost_on_the_way_out(line: Lifeline) -> bool:
    seen_in = {Stage.SENT, Stage.QUEUED, Stage.VERDICT}
    return line.lost_at in {Stage.CONFIRM, Stage.WIRE, Stage.SERVER} and line.last_seen in seen_in


def _by_counters(verdict: Verdict, evidence: Evidence) -> Iterator[Sign]:
    """Distinguish the two eras without loss by the counters of clashes."""
    rose = _clashes(evidence)
    if verdict.outcome is not Outcome.HEALTHY or rose is None:
        return
    if rose:
        yield Sign(Era.RESOLVE, Sure.COUNTED, "stat.after", N_(f"both queries were answered, and {_risen(rose)}"))
    elif _is_alive(evidence):
        words = "both queries were answered, and no counter of clashes rose"
        yield Sign(Era.RELOOKUP, Sure.COUNTED, "stat.after", words)


def _clashes(evidence: Evidence) -> dict[str, int] | None:
    """Return the clash counters that rose; None when the counters are incomplete."""
    counted = evidence.counted
    if counted.value is None or not counted.whole:
        return None
    return {name: counted.value[name] for name in CLASHES if counted.value.get(name)}


def _is_alive(evidence: Evidence) -> bool:
    """Return whether the counters are of the trial's namespace: in another namespace none of them rises."""
    sizes = evidence.table_sizes.value
    return bool(sizes and sizes[1] > sizes[0]) or any((evidence.counted.value or {}).values())


def _risen(rose: Mapping[str, int]) -> str:
    return ", ".join(N_(f"{name} rose by {count}") for name, count in rose.items())
