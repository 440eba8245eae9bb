"""Compares two watches: did what was changed in between help?"""

from __future__ import annotations

from dataclasses import dataclass

from lab.comparison.statistics import LIKELY, difference
from lab.watch.result import StallCount


@dataclass(frozen=True)
class ComparedCounts:
    """The lookups of a namespace, or of all, in two watches.

    Attributes:
        namespace: Its name; empty for all namespaces.
        before: In the first watch.
        after: In the second one.
    """

    namespace: str
    before: StallCount
    after: StallCount

    @property
    def p_value(self) -> float | None:
        """Fisher's exact test: how likely counts at least this different are by chance; None without lookups."""
        if not self.before.lookups or not self.after.lookups:
            return None
        return difference(self.before.stalled, self.before.lookups, self.after.stalled, self.after.lookups)

    @property
    def differs(self) -> bool:
        """Whether the difference is more than chance."""
        return self.p_value is not None and self.p_value <= LIKELY


@dataclass(frozen=True)
class WatchesCompared:
    """Two watches, compared.

    Attributes:
        before: The first one's file.
        after: The second one's file.
        total: All namespaces.
        namespaces: Namespaces by name that both watches saw.
    """

    before: str
    after: str
    total: ComparedCounts
    namespaces: tuple[ComparedCounts, ...]
