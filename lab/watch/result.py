"""What `lab watch` has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lab.comparison.statistics import share_interval
from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer
from lab.foundation.result import AS_ASKED, BROKEN, NOT_AS_EXPECTED


@dataclass(frozen=True)
class StallCount:
    """Stalled lookups among all.

    Attributes:
        stalled: Lookups that waited.
        lookups: All that were followed to their end.
    """

    stalled: int
    lookups: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval of the share; None without lookups."""
        return share_interval(self.stalled, self.lookups)


def summed(counts: Iterable[StallCount]) -> StallCount:
    """Return the sum of counts."""
    parts = tuple(counts)
    return StallCount(sum(each.stalled for each in parts), sum(each.lookups for each in parts))


@dataclass(frozen=True)
class StallSeen:
    """One lookup that waited.

    Attributes:
        number: Its number, from 1.
        time: When it began, UTC, ISO 8601.
        namespace: Where, by the name of the namespace.
        inode: The namespace's inode.
        name: The name that was looked up; empty when no query of it was seen.
        qtypes: Query types that were seen.
        waited_s: How long it waited, in seconds: until the retry or the late answer, or as long as it was followed.
        process: The process by its socket; empty when it was not found.
        answer: Is it this bug?
        cause: The cause; None when it is not known.
        certain: Whether no other cause could look like this.
        says: The conclusion, in one sentence.
        rose: Counters of conntrack that rose meanwhile in its namespace.
        lost: Packets that the watch itself lost there meanwhile.
        saved: The directory of its files; None without --save.
        dropped_at_confirm: Queries of it that confirm is seen to have dropped; None if confirm was not traced.
    """

    number: int
    time: str
    namespace: str
    inode: int
    name: str
    qtypes: tuple[str, ...]
    waited_s: float
    process: str
    answer: Answer
    cause: Cause | None
    certain: bool
    says: str
    rose: Mapping[str, int]
    lost: int
    saved: Path | None
    dropped_at_confirm: int | None = None


@dataclass(frozen=True)
class NamespaceTally:
    """The lookups of one network namespace.

    Attributes:
        namespace: Its name.
        inode: Its inode.
        present: Whether it still exists.
        lookups: Lookups that were followed to their end.
        stalled: How many of them waited.
        causes: Stalled lookups by cause; by the answer where the cause is not known.
        last: The cause of the last stall, or the answer; empty without one.
        lost: Packets that the watch itself lost there.
        dropped: Stalled lookups of which confirm is seen to have dropped a query.
    """

    namespace: str
    inode: int
    present: bool
    lookups: int
    stalled: int
    causes: Mapping[str, int]
    last: str
    lost: int
    dropped: int = 0

    @property
    def count(self) -> StallCount:
        """The stalled lookups among all of it."""
        return StallCount(self.stalled, self.lookups)


def added(one: NamespaceTally, other: NamespaceTally) -> NamespaceTally:
    """Return the sum of the counts of two namespaces, under the first one's name."""
    return replace(
        one,
        lookups=one.lookups + other.lookups,
        stalled=one.stalled + other.stalled,
        causes=Counter(one.causes) + Counter(other.causes),
        last=other.last or one.last,
        lost=one.lost + other.lost,
        dropped=one.dropped + other.dropped,
    )


@dataclass(frozen=True)
class GetentLookup:
    """A lookup that the watch made.

    Attributes:
        took_s: Its duration in seconds.
        found: Whether getent found the name.
    """

    took_s: float
    found: bool


@dataclass(frozen=True)
class TraceState:
    """The trace of confirm.

    Attributes:
        confirms: Queries that were passed to confirm.
        dropped: Queries that confirm dropped.
        lost: Events that the trace lost, at least.
        why_not: Why confirm is not traced, or not any more; empty while it is.
    """

    confirms: int = 0
    dropped: int = 0
    lost: int = 0
    why_not: str = ""


@dataclass(frozen=True)
class Watched:
    """Everything that a watch has seen.

    Attributes:
        machine: The machine, as it was named.
        kernel: Its kernel.
        distribution: Its distribution; empty when unknown.
        replica: Whether the lab's own module rewinds its conntrack.
        began: When the watch began, UTC, ISO 8601.
        watched_s: How long it watched, in seconds.
        namespaces: The namespaces with lookups, or with packets that the watch itself lost.
        quiet: How many present ones made no lookup.
        stalls: The stalls, the last ones if there are very many.
        made: Lookups that the watch made itself.
        lost: Packets that the watch itself lost.
        left_out: Lookups that were not followed because there were too many.
        unfinished: Lookups that were under way at the end, or when their namespace ended.
        not_seen: Why namespaces could not be watched, one sentence each.
        ended: Why it ended before it should; empty when it ended as asked.
        trace: The trace of confirm; None if it was not asked for.
    """

    machine: str
    kernel: str
    distribution: str
    replica: bool
    began: str
    watched_s: float
    namespaces: tuple[NamespaceTally, ...]
    quiet: int
    stalls: tuple[StallSeen, ...]
    made: tuple[GetentLookup, ...]
    lost: int
    left_out: int
    unfinished: int
    not_seen: tuple[str, ...]
    ended: str
    trace: TraceState | None = None

    @property
    def dropped(self) -> int:
        """Stalled lookups of which confirm is seen to have dropped a query."""
        return sum(each.dropped for each in self.namespaces)

    @property
    def count(self) -> StallCount:
        """The stalled lookups of all namespaces."""
        return summed(each.count for each in self.namespaces)

    @property
    def causes(self) -> Mapping[str, int]:
        """Stalled lookups of all namespaces by cause."""
        totals: dict[str, int] = {}
        for each in self.namespaces:
            for cause, count in each.causes.items():
                totals[cause] = totals.get(cause, 0) + count
        return totals

    @property
    def exit_status(self) -> int:
        """1 when lookups stalled, 3 when the watch ended before it should, else 0."""
        if self.ended:
            return BROKEN
        return NOT_AS_EXPECTED if self.count.stalled else AS_ASKED
