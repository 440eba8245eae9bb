"""The same thing done to several machines at once, with one place to stop them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from lab.errors import Cancelled
from lab.work import Work

S = TypeVar("S")
T = TypeVar("T")


def for_each(subjects: Sequence[S], do: Callable[[S], T], work: Work) -> list[T]:
    """Do the same to each subject, all at once, and give the results in order.

    An error in one does not stop the others: what they gather is kept. The first error is raised when all have ended.

    Raises:
        Cancelled: the user interrupted; every subject has cleaned up after itself.
        LabError: the first error of any subject.
    """
    if not subjects:
        return []
    with ThreadPoolExecutor(max_workers=len(subjects)) as pool:
        futures = [pool.submit(do, subject) for subject in subjects]
        try:
            _join(futures)
        except KeyboardInterrupt:
            work.cancel()
            wait(futures)
            raise Cancelled("stopped as you asked") from None
    return [future.result() for future in futures]


def _join(futures: Sequence[Future[T]]) -> None:
    pending: set[Future[T]] = set(futures)
    while pending:
        # A bound, so that the main thread comes back to look for a signal.
        _, pending = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
