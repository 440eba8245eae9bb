"""How many lanes make trials side by side."""

from __future__ import annotations

from lab.catalogue.client import Client
from lab.catalogue.scenario import Cache, Outside, Scenario

A_PROCESSOR = 48
"""A stalled trial waits five seconds and takes a processor some 0.12 s under emulation: so many keep it busy."""

MOST = 128
"""What provision/lanes/lane.h has room for."""

LOOK_AT = 10
"""After so many trials it is looked how many of them were armed."""

UNARMED_SHARE = 0.1
"""Of those: if more were not armed, there are too many lanes for the machine."""


def default(cpus: int) -> int:
    """Give how many lanes a machine with so many virtual processors has."""
    return min(MOST, A_PROCESSOR * cpus)


def most(scenario: Scenario, *, traced: bool) -> int:
    """Give how many lanes a scenario's trials can use at most.

    One, where the trials of two lanes could not be told apart: by the kernel's trace and the server's log, or on the
    loopback of a cache of its own. One where a resolver outside is asked, which many at once would burden. And one for
    two threads, which need two processors to themselves to meet.
    """
    alone = any(isinstance(step, Cache | Outside) for step in scenario.step)
    threads = scenario.lookup.client is Client.THREADS
    return 1 if alone or threads or traced else MOST


class Lowering:
    """Lowers the number of lanes when the machine cannot keep the race armed in so many.

    Args:
        lanes: How many there are.
    """

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self._trials = 0
        self._unarmed = 0

    def after(self, *, armed: bool) -> bool:
        """Count a trial, and say whether there shall be fewer lanes from now on."""
        self._trials += 1
        self._unarmed += not armed
        if self.lanes == 1 or self._trials < LOOK_AT:
            return False
        too_many = self._unarmed > UNARMED_SHARE * self._trials
        if too_many:
            self.lanes = max(1, self.lanes // 2)
        self._trials = self._unarmed = 0
        return too_many
