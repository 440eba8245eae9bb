"""The counts of network namespaces that have ended; the oldest ones are added up when there are many."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from lab.watch.namespaces import NamespaceWatch
from lab.watch.result import NamespaceTally, added

GONE_MAX = 500
"""Most namespaces that have a row of their own after they have ended."""

OLDER = "namespaces that ended earlier"
"""The row of all others."""

_NONE = NamespaceTally(OLDER, 0, present=False, lookups=0, stalled=0, causes={}, last="", lost=0)


class EndedNamespaces:
    """The counts of namespaces that have ended.

    Attributes:
        lost: Packets that the watch itself lost in them.
        left_out: Lookups in them that were not followed because there were too many.
    """

    def __init__(self) -> None:
        self.lost = 0
        self.left_out = 0
        self._kept: deque[NamespaceTally] = deque()
        self._older = _NONE

    def add(self, space: NamespaceWatch) -> None:
        """Add a namespace that has ended."""
        self.lost += space.lost
        self.left_out += space.exchanges.left_out
        if space.is_counted:
            self._kept.append(space.tally())
        if len(self._kept) > GONE_MAX:
            self._older = added(self._older, self._kept.popleft())

    def tallies(self) -> Iterator[NamespaceTally]:
        """Yield the counts of each that has made lookups or lost packets, and those of the oldest ones together."""
        yield from self._kept
        if self._older is not _NONE:
            yield self._older
