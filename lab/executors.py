"""Where pieces of work are done: in processes of this machine, or on a Dask cluster.

Both are executors of concurrent.futures: whoever hands work out needs not know which it is.
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

from lab.errors import BrokenEnvironment

T = TypeVar("T")

CLUSTER_BOUND_S = 10.0
"""How long a scheduler may take to answer."""


@dataclass(frozen=True)
class Place:
    """Where work is done.

    Attributes:
        executor: Takes it.
        share: Takes what several pieces need, and gives what is handed to each in its stead.
        is_elsewhere: Whether files of this machine may not be there.
        lost: What it raises when a worker died with a piece, and whoever waits for that may hand it out again.
    """

    executor: Executor
    share: Callable[[Any], Any]
    is_elsewhere: bool
    lost: tuple[type[Exception], ...]


class _OneProcessEach(ThreadPoolExecutor):
    """Does each piece in a process of its own, so that one that dies costs only its own piece."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401  as Executor's
        return super().submit(_in_a_process, fn, *args, **kwargs)


def _in_a_process(fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401  likewise
    # Spawned, not forked: this process has threads, and connections of its own.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as one:
        return one.submit(fn, *args, **kwargs).result()


@contextmanager
def on_this_machine(jobs: int) -> Iterator[Place]:
    """Do work in processes of this machine; what has not ended when this is left, is ended.

    Args:
        jobs: How many at a time.
    """
    executor = _OneProcessEach(max_workers=jobs)
    try:
        yield Place(executor, share=lambda value: value, is_elsewhere=False, lost=(BrokenProcessPool,))
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for worker in multiprocessing.active_children():
            worker.terminate()
        executor.shutdown(wait=True)


@contextmanager
def on_cluster(address: str) -> Iterator[Place]:
    """Do work on a Dask cluster, which hands it out again by itself when a worker dies.

    Args:
        address: The scheduler's, such as tcp://10.0.0.1:8786.

    Raises:
        BrokenEnvironment: no scheduler answers there, or it has no workers.
    """
    from distributed import Client, KilledWorker  # noqa: PLC0415  half a second to load, and seldom needed

    # What goes wrong comes out of a future, and is told once.
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
            yield Place(executor, share=client.scatter, is_elsewhere=True, lost=(KilledWorker,))
        finally:
            executor.shutdown(wait=False)
