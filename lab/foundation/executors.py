"""Executors for pieces of work: processes of this machine, or a Dask cluster.

Both are executors of concurrent.futures, so that callers need not distinguish them.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from lab.foundation.errors import BrokenEnvironment

T = TypeVar("T")

CLUSTER_BOUND_S = 10.0
"""Timeout for an answer of the scheduler."""


@dataclass(frozen=True)
class WorkPool:
    """Where work is executed.

    Attributes:
        executor: The executor.
        share: Prepares data that several pieces need, and returns what is passed to each in its place.
        is_elsewhere: Whether it may lack the files of this machine.
        lost: Exceptions raised when a worker died, after which the piece may be submitted again.
    """

    executor: Executor
    share: Callable[[Any], Any]
    is_elsewhere: bool
    lost: tuple[type[Exception], ...]


class _OneProcessEach(ThreadPoolExecutor):
    """Runs each piece in a separate process, so that a crash affects only that piece."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401  as Executor's
        return super().submit(_in_a_process, fn, *args, **kwargs)


def _in_a_process(fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401  as Executor's
    # Spawned, not forked, because this process has threads and open connections.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as one:
        return one.submit(fn, *args, **kwargs).result()


@contextmanager
def on_this_machine(jobs: int) -> Iterator[WorkPool]:
    """Yield a place in processes of this machine; unfinished work is ended on exit.

    Args:
        jobs: Number of parallel processes.
    """
    executor = _OneProcessEach(max_workers=jobs)
    try:
        yield WorkPool(executor, share=lambda value: value, is_elsewhere=False, lost=(BrokenProcessPool,))
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for worker in multiprocessing.active_children():
            worker.terminate()
        executor.shutdown(wait=True)


@contextmanager
def on_cluster(address: str) -> Iterator[WorkPool]:
    """Yield a place on a Dask cluster, which resubmits work by itself when a worker dies.

    Args:
        address: The scheduler's address, such as tcp://10.0.0.1:8786.

    Raises:
        BrokenEnvironment: Dask is not installed, no scheduler answers there, or it has no workers.
    """
    try:
        from distributed import Client, KilledWorker  # noqa: PLC0415  half a second to load, and seldom needed
    except ImportError as error:
        raise BrokenEnvironment(
            "Dask is not installed", hint="install it beside the lab: pip install 'five-second-lab[cluster]'"
        ) from error

    # Errors are reported through futures; do not log them as well.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CLUSTER_BOUND_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        raise BrokenEnvironment(
            f"no Dask scheduler answers at {address}: {error}", hint="start one: dask scheduler; then: dask worker"
        ) from error
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise BrokenEnvironment(f"the Dask scheduler at {address} has no workers", hint="start some: dask worker")
        executor = client.get_executor(pure=False)  # type: ignore[no-untyped-call]
        try:
            yield WorkPool(executor, share=client.scatter, is_elsewhere=True, lost=(KilledWorker,))
        finally:
            executor.shutdown(wait=False)
