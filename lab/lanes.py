"""How many lanes make trials side by side."""

from __future__ import annotations

from itertools import islice

from lab.catalogue.client import Client
from lab.catalogue.scenario import Cache, Outside, Scenario

A_PROCESSOR = 48
"""A stalled trial waits five seconds and takes a processor some 0.12 s under emulation: so many keep it busy."""

MOST = 128
"""What provision/lanes/lane.h has room for."""

LOOK_AT = 10
"""Of so many trials together it is looked how many were armed."""

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

    Trials are looked at in the order in which they began: those that are not armed end first, having nothing to wait
    for. And only those say something about a number of lanes that began when no more trials than that were being made.

    Args:
        lanes: How many there are.
    """

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self._being_made = 0
        self._armed: dict[int, bool | None] = {}  # by number; None while the trial is being made

    def began(self, number: int) -> None:
        """Count a trial that began."""
        self._being_made += 1
        if self._being_made <= self.lanes:
            self._armed[number] = None

    def ended(self, number: int, *, armed: bool | None) -> bool:
        """Count a trial that ended, and say whether there shall be fewer lanes from now on.

        Args:
            number: Which.
            armed: Whether it was; None of one that does not tell.
        """
        self._being_made -= 1
        if armed is None:
            self._armed.pop(number, None)
        elif number in self._armed:
            self._armed[number] = armed
        eldest = list(islice(self._armed.items(), LOOK_AT))
        if self.lanes == 1 or len(eldest) < LOOK_AT or any(was is None for _, was in eldest):
            return False
        for seen, _ in eldest:
            del self._armed[seen]
        if sum(not was for _, was in eldest) <= UNARMED_SHARE * LOOK_AT:
            return False
        self.lanes = max(1, self.lanes // 2)
        self._armed.clear()
        return True
