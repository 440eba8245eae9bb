"""Adds a known kernel by name: obtains, verifies and adds its packages unless it is already in the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.foundation.errors import BadInput
from lab.foundation.work import Work
from lab.kernels import add, obtain
from lab.kernels.known import Known
from lab.kernels.source import Given
from lab.kernels.store import Kernel, KernelStore


def ensure_added(  # noqa: PLR0913  the kernel, its origin and its store
    store: KernelStore,
    known: Known,
    *,
    cache: Path,
    work: Work,
    source_dir: Path | None = None,
    name: str | None = None,
    taken: Sequence[str] = (),
) -> tuple[Kernel, bool]:
    """Return a known kernel from a lab's store, adding it if it is missing.

    Args:
        store: The lab's kernels.
        known: The kernel.
        cache: The user's cache, which keeps packages for all labs.
        work: Reports the steps; its cancellation ends them.
        source_dir: A directory with its packages; None for the cache or the web.
        name: Its name in the store; when None its `store_name`, or the name it already has.
        taken: Names of machines.

    Returns:
        The kernel, and whether it is new.

    Raises:
        BadInput: another kernel has its name, or its packages are missing from the directory or rejected.
        BrokenEnvironment: its packages cannot be downloaded or are rejected; a program or disk space is missing.
        Cancelled: the work was cancelled.
    """
    there = store.made_of(known.name) if name is None else None
    if there is not None and _why_not(known, there) is None:
        return there, False
    name = name or known.store_name
    if name in store.names():
        kernel = store.get(name)
        if (why_not := _why_not(known, kernel)) is not None:
            raise BadInput(
                f"there is already a kernel '{name}', and it is not {known.name}: {why_not}",
                hint=f"remove it first (lab kernel remove {name}), or add {known.name} under another name: --name",
            )
        return kernel, False
    paths = obtain.obtain(known, cache=cache, source_dir=source_dir, work=work)
    sums = [one.sha256 for one in obtain.packages(known, cache) or ()]
    release = None if known.suite else known.release
    return add.add(
        store, Given([str(path) for path in paths], sums), name, taken, work, release=release, known=known.name
    )


def _why_not(known: Known, kernel: Kernel) -> str | None:
    """Return why a kernel in the store is not this known one; None where it is."""
    if known.suite is None and kernel.release != known.release:
        return f"its release is {kernel.release}"
    if kernel.known != known.name:
        return f"it was added from {kernel.sources[0].given}, and no signature was verified"
    return None
