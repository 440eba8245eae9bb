"""Chooses the number of lanes that run trials in parallel."""

from __future__ import annotations

from itertools import islice

from lab.catalogue.agent import Brought
from lab.catalogue.client import Client
from lab.catalogue.scenario import Cache, Outside, Scenario, Shape

A_PROCESSOR = 60
"""Lanes per processor: a stalled trial waits five seconds and takes about 0.08 s of processor time under emulation."""

MOST = 128
"""MOST_LANES of provision/lanes/lane.h."""

MOST_BEHIND = 16
"""Lanes with a client behind them: each takes another namespace, and some processes to set it up."""

LOOK_AT = 10
"""Number of trials per check of the armed share."""

UNARMED_SHARE = 0.1
"""Maximum share of unarmed trials; with more there are too many lanes for the machine."""


def default(cpus: int) -> int:
    """Return the default number of lanes of a machine with this number of virtual processors."""
    return min(MOST, A_PROCESSOR * cpus)


def most(scenario: Scenario, *, traced: bool) -> int:
    """Return the maximum number of lanes for a scenario.

    One lane, where trials of two lanes could not be distinguished in the kernel's trace and the server's log, or on the
    loopback with a cache. One lane for an external resolver, which should not be loaded. One lane for a
    program that is brought along, which is started once. And one lane for two threads, which need two processors for
    the race.
    """
    alone = any(isinstance(step, Cache | Outside | Brought) for step in scenario.step)
    threads = scenario.lookup.client is Client.THREADS
    if alone or threads or traced:
        return 1
    return MOST if scenario.network.shape is Shape.HOST else MOST_BEHIND


class Lowering:
    """Lowers the number of lanes when the machine cannot keep the race armed in so many.

    Trials are checked in the order in which they began, since unarmed trials end first. Only trials that began while no
    more than the current number of lanes were busy are counted.

    Args:
        lanes: The initial number of lanes.
    """

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self._being_made = 0
        self._armed: dict[int, bool | None] = {}  # by number; None while the trial is being made

    def began(self, number: int) -> None:
        """Record the begin of a trial."""
        self._being_made += 1
        if self._being_made <= self.lanes:
            self._armed[number] = None

    def ended(self, number: int, *, armed: bool | None) -> bool:
        """Record the end of a trial, and return whether the number of lanes was lowered.

        Args:
            number: The trial's number.
            armed: Whether it was armed; None when it is unknown.
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
