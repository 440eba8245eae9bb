"""Determines whether the race was armed, per source that shows conntracks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from lab.evidence import kernel
from lab.evidence.constants import CLASH_RESOLVE, CLASHRES, INSERT_FAILED
from lab.evidence.trial import Evidence
from lab.judgement import sightings

CLASHES = (CLASH_RESOLVE, CLASHRES, INSERT_FAILED)
"""Counters that rise when two conntracks of one flow clash at confirm (nf_conntrack_core.c): `clash_resolve` from 5.10
on, named `clashres` in /proc, `insert_failed` before."""


QUERIES = 2
"""Number of queries of a lookup: A and AAAA."""


@dataclass(frozen=True)
class QueuedQuery:
    """A query and its conntrack at one place.

    Attributes:
        socket: The source port, which identifies the socket even behind DNAT; with the address, where it is known.
        query: A key that identifies the query among those of the socket.
        ct: The conntrack; None without one, or for a confirmed one, which cannot clash.
        time_s: When, in seconds of the source's clock; None where the source does not have it.
    """

    socket: Hashable
    query: Hashable
    ct: int | None
    time_s: float | None


def determine_arming(
    evidence: Evidence, *, queues: bool = True, loses: bool = False, by_product: bool = False
) -> dict[str, bool]:
    """Determine for each source that shows conntracks whether the race was armed.

    The race is armed when two concurrent queries of one socket have different conntracks at the hook or at the entry of
    confirm: the second passed LOCAL_OUT before the first was confirmed, so that nf_conntrack_in found no entry and made
    a second one. A retransmitted query, whose first packet was lost, legitimately gets a new conntrack, and so do the
    queries concurrent with it.

    Untracked packets have no conntrack and cannot clash. Where a packet's conntrack is unknown but the conntracks of
    the namespace were counted, an increase by two means one conntrack per query, if one socket sent all. A source with
    fewer packets than another source, or than the resolver sent, is truncated: it cannot prove that the race was not
    armed.

    Args:
        evidence: The trial's evidence.
        queues: Whether queries are sent to NFQUEUE. Without a queue two conntracks of one flow always clash, so that
            the counters of the lane's conntrack are a fallback.
        loses: Whether queued packets may not reach the verdict program, whose log proves nothing by their absence.
        by_product: Whether a product gives the verdicts, which keeps no log of conntracks. Then a counted clash shows
            that the race was armed; without one nothing is known, since era `relookup` counts none.
    """
    packets = evidence.queued.value or ()
    verdicts = evidence.verdicts.value.packets if evidence.verdicts.value else ()
    sent = [event for event in evidence.resolver.value or () if event.kind == "sent" and event.protocol == "udp"]
    most = max(len(packets), len(verdicts), len(sent))
    has_all = len(verdicts) >= most and not loses
    by_hook, by_program = queued_by_hook(evidence), queued_by_program(evidence)
    armed_by_source = {
        "dmesg": _determine(by_hook, whole=len(by_hook) >= most),
        "verdict.jsonl": _determine(by_program, whole=has_all),
        "trace": _by_kernel(evidence),
    }
    if not by_program:
        armed_by_source["verdict.jsonl"] = _by_number(evidence, whole=has_all)
    determined = {source: armed for source, armed in armed_by_source.items() if armed is not None}
    if determined or (queues and not by_product):
        return determined
    counted = _by_counters(evidence)
    return {source: armed for source, armed in counted.items() if armed or not queues}


def queued_by_hook(evidence: Evidence) -> list[QueuedQuery]:
    """Return the queries that the hook queued, in order, with their conntracks."""
    return [
        QueuedQuery((packet.flow.src, packet.flow.sport), packet.dns_id, packet.ct, packet.monotonic_s)
        for packet in evidence.queued.value or ()
    ]


def queued_by_program(evidence: Evidence) -> list[QueuedQuery]:
    """Return the queries that the verdict program got, in order, with their conntracks, where the kernel sent them."""
    return [
        QueuedQuery(
            (packet.flow.src, packet.flow.sport),
            (packet.dns_id, packet.qtype),
            None if packet.confirmed else packet.ct_id,
            packet.queued_s,
        )
        for packet in (evidence.verdicts.value.packets if evidence.verdicts.value else ())
        if packet.flow and packet.ct_id is not None
    ]


def _determine(queries: list[QueuedQuery], *, whole: bool) -> bool | None:
    """Return whether two conntracks differ; None without queries, or if a missing query may differ."""
    differing = differ(queries)
    return differing if queries and (whole or differing) else None


def _by_kernel(evidence: Evidence) -> bool | None:
    steps = kernel.extract_steps(evidence.traced.value) if evidence.traced.value else ()
    whole = "trace" not in sightings.cut_off(evidence)
    verdicts = [
        _determine(
            [
                QueuedQuery((step.src, step.sport), step.dns_id, step.ct, step.time_s)
                for step in steps
                if step.did is did
            ],
            whole=whole,
        )
        for did in (kernel.Action.QUEUED, kernel.Action.CONFIRMED)
    ]
    return None if verdicts == [None, None] else any(verdicts)


def _by_number(evidence: Evidence, *, whole: bool) -> bool | None:
    """Return whether the number of conntracks rose by two, for packets of one socket; None if that is unknown."""
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


def differ(packets: Iterable[QueuedQuery]) -> bool:
    """Return whether two queries of one socket had different conntracks before either was retransmitted."""
    queries_by_socket: dict[Hashable, dict[Hashable, int | None]] = defaultdict(dict)
    for packet in packets:
        concurrent = queries_by_socket[packet.socket]
        if packet.query in concurrent:
            concurrent.clear()
        concurrent[packet.query] = packet.ct
        if len(set(concurrent.values()) - {None}) > 1:
            return True
    return False
