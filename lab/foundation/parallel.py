"""Runs a function for several machines in parallel, with common cancellation."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lab.foundation.errors import Cancelled
from lab.foundation.later import Later

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent import futures

    from lab.foundation.work import Work
else:
    futures = Later("concurrent.futures")

S = TypeVar("S")
T = TypeVar("T")


def for_each(subjects: Sequence[S], do: Callable[[S], T], work: Work) -> list[T]:
    """Apply a function to all subjects in parallel, and return the results in order.

    An error in one does not stop the others, whose results are kept. The first error is raised when all have ended.

    Raises:
        Cancelled: the user interrupted; every subject has cleaned up.
        LabError: the first error of any subject.
    """
    if not subjects:
        return []
    with futures.ThreadPoolExecutor(max_workers=len(subjects)) as pool:
        submitted = [pool.submit(do, subject) for subject in subjects]
        try:
            _join(submitted)
        except KeyboardInterrupt:
            work.cancel()
            futures.wait(submitted)
            raise Cancelled("stopped as you asked") from None
    return [future.result() for future in submitted]


def _join(submitted: Sequence[futures.Future[T]]) -> None:
    pending: set[futures.Future[T]] = set(submitted)
    while pending:
        # With a timeout, so that the main thread can handle signals.
        _, pending = futures.wait(pending, timeout=0.1, return_when=futures.FIRST_COMPLETED)
