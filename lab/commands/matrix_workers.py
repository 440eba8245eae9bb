"""Who makes a matrix's cells: this machine, as far as it has memory and processors, or a cluster."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.catalogue.machine import Definition
from lab.commands.cell import Task
from lab.foundation.errors import BadInput
from lab.foundation.executors import WorkPool, on_cluster, on_this_machine
from lab.foundation.later import Later

if TYPE_CHECKING:
    import psutil
else:
    psutil = Later("psutil")

GUEST_OVERHEAD_MB = 1024
"""What a cell takes beside its guest's memory: QEMU's own (its translated code above all), and the lab's."""


@dataclass(frozen=True)
class Workers:
    """Who makes the cells.

    Attributes:
        scheduler: The address of a Dask scheduler; None for this machine.
        jobs: How many at a time on this machine; as many as it has memory and processors for when None.
    """

    scheduler: str | None = None
    jobs: int | None = None

    def place(self, tasks: Sequence[Task]) -> AbstractContextManager[WorkPool]:
        """Return the place where these cells are made."""
        if self.scheduler:
            return on_cluster(self.scheduler)
        definitions = [task.definition for task in tasks]
        if self.jobs is not None:
            _require_memory(definitions, self.jobs)
        return on_this_machine(self.jobs or most_at_once(definitions))


def _require_memory(definitions: Sequence[Definition], jobs: int) -> None:
    """Refuse more cells at a time than this machine's whole memory has room for."""
    room_for = psutil.virtual_memory().total // _guest_bytes(definitions)
    if min(jobs, len(definitions)) > room_for:
        raise BadInput(
            f"this machine has memory for {room_for} cells at a time, not {jobs}",
            hint=f"use at most --jobs {max(1, room_for)}, or leave it out for as many as its processors bear",
        )


def _guest_bytes(definitions: Sequence[Definition]) -> int:
    """Return how much memory a cell takes, by the largest of its machines."""
    return (max(definition.memory_mb for definition in definitions) + GUEST_OVERHEAD_MB) * 1024 * 1024


def most_at_once(definitions: Sequence[Definition]) -> int:
    """Return how many cells this machine can make at a time: by its processors, and by its memory that is free."""
    by_memory = psutil.virtual_memory().available // _guest_bytes(definitions)
    return max(1, min(len(os.sched_getaffinity(0)), int(by_memory)))
