"""The schemas of `lab watch`: each line that it prints with --json is a document."""

from __future__ import annotations

from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer
from lab.present.schema.members import Count, Document, Interval, Members


class SeenStall(Members):
    """A lookup that waited."""

    number: Count
    time: str
    namespace: str
    inode: Count
    name: str | None
    qtypes: list[str]
    waited_s: float
    process: str | None
    answer: Answer
    cause: Cause | None
    certain: bool
    says: str
    rose: dict[str, Count]
    lost: Count
    saved: str | None
    dropped_at_confirm: Count | None


class WatchStall(Document):
    """A stall that `lab watch` saw, on a line as it happens."""

    stall: SeenStall


class WatchedNamespace(Members):
    """The lookups of a network namespace."""

    namespace: str
    inode: Count
    present: bool
    lookups: Count
    stalled: Count
    interval: Interval | None
    causes: dict[str, Count]
    last: str | None
    lost_packets: Count
    dropped_at_confirm: Count


class MadeLookup(Members):
    """A lookup that the watch made."""

    took_s: float
    found: bool


class WatchTrace(Members):
    """The trace of confirm: queries passed to it, those that it dropped, and events that the trace lost."""

    confirms: Count
    dropped: Count
    lost: Count
    why_not: str | None


class Watch(Document):
    """What `lab watch` saw: its last line."""

    machine: str
    kernel: str
    distribution: str
    replica: bool
    began: str
    watched_s: float
    lookups: Count
    stalled: Count
    interval: Interval | None
    causes: dict[str, Count]
    namespaces: list[WatchedNamespace]
    namespaces_without_lookups: Count
    made: list[MadeLookup]
    lost_packets: Count
    left_out: Count
    unfinished: Count
    not_seen: list[str]
    ended: str | None
    dropped_at_confirm: Count
    trace: WatchTrace | None
    sentence: str


class WatchCount(Members):
    """Stalled lookups among all."""

    stalled: Count
    lookups: Count
    interval: Interval | None


class WatchDifference(Members):
    """Two counts, and Fisher's exact test."""

    stalled_before: WatchCount
    stalled_after: WatchCount
    p_value: float | None
    differs: bool


class WatchNamespaceDifference(WatchDifference):
    """Two counts of one namespace."""

    namespace: str


class WatchCompare(Document):
    """Two watches, compared."""

    before: str
    after: str
    total: WatchDifference
    by_namespace: list[WatchNamespaceDifference]
    sentence: str
