"""Whether the race was armed, by each source that knows conntracks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from lab import sightings
from lab.evidence import kernel
from lab.evidence.trial import Evidence

CLASHES = ("clash_resolve", "clashres", "insert_failed")
"""Counters that rise when two conntracks of one flow clash at confirm: nf_conntrack_core.c; `clash_resolve` from 5.10
on, in /proc as `clashres`, `insert_failed` before."""


QUERIES = 2
"""Of a lookup: A and AAAA."""


@dataclass(frozen=True)
class _Carried:
    """A query and the conntrack it carried, somewhere on its way.

    Attributes:
        sport: The port it comes from, which tells one socket from another even behind DNAT.
        query: What tells it from other queries of that socket.
        ct: Its conntrack; None for none, or for one that is in the table and so can clash with nothing.
    """

    sport: int
    query: Hashable
    ct: int | None


def arming(evidence: Evidence, *, queues: bool = True) -> dict[str, bool]:
    """Tell by each source that knows conntracks whether the race was armed.

    It was when two queries of one socket, asked side by side, carried two different conntracks at the hook, or entered
    confirm with them: when the second passed LOCAL_OUT before the first was confirmed (nf_conntrack_in finds no entry
    then and makes another). A query that is asked again after its first packet was lost gets a new conntrack by right,
    and so does whatever is asked beside it.

    Untracked packets have none and cannot clash. Where the kernel does not tell a packet's conntrack, but somebody
    counted those of the namespace, two more than before are the two queries', if one socket sent them all. A source
    that has fewer packets than another, or than the resolver sent, was cut off: that it shows no two says nothing.

    Args:
        evidence: What is known of the trial.
        queues: Whether queries are sent to NFQUEUE. Where none is, two conntracks of one flow always clash, and the
            counters of the lane's own conntrack tell, if nothing else does, whether any did.
    """
    packets = evidence.queued.value or ()
    verdicts = evidence.verdicts.value.packets if evidence.verdicts.value else ()
    sent = [event for event in evidence.resolver.value or () if event.kind == "sent" and event.protocol == "udp"]
    most = max(len(packets), len(verdicts), len(sent))
    by_hook = [_Carried(packet.flow.sport, packet.dns_id, packet.ct) for packet in packets]
    by_program = [
        _Carried(packet.flow.sport, (packet.dns_id, packet.qtype), None if packet.confirmed else packet.ct_id)
        for packet in verdicts
        if packet.flow and packet.ct_id is not None
    ]
    told = {
        "dmesg": _tell(by_hook, whole=len(by_hook) >= most),
        "verdict.jsonl": _tell(by_program, whole=len(verdicts) >= most),
        "trace": _by_kernel(evidence),
    }
    if not by_program:
        told["verdict.jsonl"] = _by_number(evidence, whole=len(verdicts) >= most)
    found = {source: armed for source, armed in told.items() if armed is not None}
    return found or ({} if queues else _by_counters(evidence))


def _tell(carried: list[_Carried], *, whole: bool) -> bool | None:
    """Tell whether two of them differ; None where nothing is shown, or where what is missing may be what differs."""
    differ = _differ(carried)
    return differ if carried and (whole or differ) else None


def _by_kernel(evidence: Evidence) -> bool | None:
    steps = kernel.steps(evidence.traced.value) if evidence.traced.value else ()
    whole = "trace" not in sightings.cut_off(evidence)
    told = [
        _tell([_Carried(step.sport, step.dns_id, step.ct) for step in steps if step.did is did], whole=whole)
        for did in (kernel.Did.QUEUED, kernel.Did.CONFIRMED)
    ]
    return None if told == [None, None] else any(told)


def _by_number(evidence: Evidence, *, whole: bool) -> bool | None:
    """Tell by the number of conntracks whether two packets of one socket had two; None where that does not tell."""
    packets = evidence.verdicts.value.packets if evidence.verdicts.value else ()
    sizes = evidence.table_sizes.value
    counts = [packet.conntracks for packet in packets if packet.conntracks is not None]
    sports = {packet.flow.sport for packet in packets if packet.flow}
    if sizes is None or not counts or len(sports) != 1:
        return None
    armed = max(counts) - sizes[0] >= QUERIES
    return armed if whole or armed else None


def _by_counters(evidence: Evidence) -> dict[str, bool]:
    counted = evidence.counted.value
    known = [counted[name] for name in CLASHES if name in counted] if counted else []
    return {"stat.after": any(known)} if known else {}


def _differ(carried: Iterable[_Carried]) -> bool:
    """Tell whether two queries of one socket had different conntracks before either was asked again."""
    asked: dict[int, dict[Hashable, int | None]] = defaultdict(dict)
    for packet in carried:
        beside = asked[packet.sport]
        if packet.query in beside:
            beside.clear()
        beside[packet.query] = packet.ct
        if len(set(beside.values()) - {None}) > 1:
            return True
    return False
