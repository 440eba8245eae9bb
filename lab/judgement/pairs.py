"""Counts the pairs of queries that one lookup made: several, where a name is tried under search domains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from lab.evidence.trial import Evidence
from lab.judgement.arming import QUERIES, QueuedQuery, differ, queued_by_hook, queued_by_program


@dataclass(frozen=True)
class Pairs:
    """The pairs of queries of a lookup: those that one socket sent for one name, by the packets that were queued.

    Attributes:
        made: Number of pairs.
        armed: Number of pairs with two conntracks at once.
        stalled: Number of pairs of which a query was sent again after a timeout.
    """

    made: int
    armed: int
    stalled: int


def count_pairs(evidence: Evidence, wait_s: float) -> Pairs | None:
    """Count a lookup's pairs of queries; None without a source that shows queued packets with their conntracks.

    glibc and musl open a socket for each name that they try, so that a socket is a pair.

    Args:
        evidence: The trial's evidence.
        wait_s: A query that was queued so long after the same query, in seconds, waited for a timeout.
    """
    queued = queued_by_program(evidence) or queued_by_hook(evidence)
    by_socket: dict[Hashable, list[QueuedQuery]] = defaultdict(list)
    for query in queued:
        by_socket[query.socket].append(query)
    pairs = [own for own in by_socket.values() if len({query.query for query in own}) >= QUERIES]
    if not pairs:
        return None
    return Pairs(len(pairs), sum(differ(pair) for pair in pairs), sum(_waited(pair, wait_s) for pair in pairs))


def _waited(pair: Sequence[QueuedQuery], wait_s: float) -> bool:
    first_s: dict[Hashable, float] = {}
    timed = [(query.query, query.time_s) for query in pair if query.time_s is not None]
    return any(time_s - first_s.setdefault(query, time_s) >= wait_s for query, time_s in timed)
