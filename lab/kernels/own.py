"""Kernels of the catalogue's machines: selects them from the store and obtains missing ones."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from lab.catalogue.machine import Added, OwnKernel
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.work import Work
from lab.kernels import by_name, known, obtain
from lab.kernels.known import Known
from lab.kernels.network import Network
from lab.kernels.store import Kernel, KernelStore


class OwnKernels:
    """Finds and obtains the kernels of the catalogue's machines on the system `kernel`.

    Args:
        store: Kernels that were added.
        provision: The directory `provision/`, with the list of known kernels.
        cache: The user's cache of packages and recent network failures.
        work: Reports each step.
    """

    def __init__(self, store: KernelStore, provision: Path, cache: Path, work: Work) -> None:
        self._store = store
        self._provision = provision
        self._cache = cache
        self._work = work
        self._network = Network(cache)
        self._expected: dict[str, None] = {}

    def expect(self, names: Iterable[str]) -> None:
        """Register known kernels that may be asked about, so that the network is checked for all of them at once."""
        self._expected |= dict.fromkeys(names)

    def where(self, name: str, /) -> str | None:
        """Return a description of where a known kernel would come from; None when it cannot be obtained."""
        try:
            wanted = self._known(name)
        except BadInput:
            return None
        return self._at_hand(wanted) or self._from_the_network(wanted)

    def why_not(self, name: str, /) -> str:
        """Return why a known kernel cannot be obtained."""
        try:
            return self._network.why_not(self._known(name))
        except BadInput as error:
            return error.message

    def _from_the_network(self, wanted: Known) -> str | None:
        for name in self._expected:
            with suppress(BadInput):
                other = self._known(name)
                if self._at_hand(other) is None:
                    self._network.expect([other])
        return self._network.where(wanted)

    def _known(self, name: str) -> Known:
        return known.get(self._provision, name)

    def _at_hand(self, wanted: Known) -> str | None:
        kernel = self._added(wanted)
        if kernel is not None:
            return f"its kernel was added ({kernel.name})"
        return "its kernel's packages are in the cache" if obtain.is_cached(wanted, self._cache) else None

    def _added(self, wanted: Known) -> Kernel | None:
        """Return a stored known kernel: the one with verified packages, else one with that release."""
        usable = [one for one in self._store.all() if one.release == wanted.release and not one.lacks]
        return min(usable, key=lambda one: (one.known != wanted.name, one.name), default=None)

    def foreseen(self, own: OwnKernel) -> Added:
        """Return a machine's expected kernel, for a plan; its devices are known once it is added."""
        wanted = self._known(own.known)
        kernel = self._added(wanted)
        return (
            as_system(own, kernel)
            if kernel
            else Added(
                title=own.title,
                kernel=wanted.store_name,
                release=wanted.release,
                headers=True,
                disk="virtio",
                network="virtio",
                made_of="",
                stands_in=True,
                verified=True,
            )
        )

    def obtained(self, own: OwnKernel, there: Added | None) -> Added:
        """Return a machine's kernel; obtain, verify and add it if the store does not have it.

        Args:
            own: The kernel in the machine's file.
            there: The kernel that the machine was created with; None for a new machine.

        Raises:
            BadInput: another kernel has its name.
            BrokenEnvironment: it cannot be downloaded, or is rejected.
            Cancelled: the work was cancelled.
        """
        if there is not None and any(one.system.made_of == there.made_of for one in self._named(there.kernel)):
            return there
        wanted = self._known(own.known)
        kernel = self._added(wanted)
        if kernel is None:
            if not obtain.is_cached(wanted, self._cache):
                self._require_network(wanted)
            kernel, _ = by_name.ensure_added(self._store, wanted, cache=self._cache, work=self._work)
        return as_system(own, kernel)

    def _named(self, name: str) -> list[Kernel]:
        return [self._store.get(name)] if name in self._store.names() else []

    def _require_network(self, wanted: Known) -> None:
        """Raise at once an error that a download would raise only after many attempts."""
        with self._work.step(f"looking for the packages of {wanted.name}"):
            problem = self._network.problem_now(wanted)
        if problem:
            raise BrokenEnvironment(
                f"the packages of {wanted.name} ({', '.join(wanted.files)}) cannot be downloaded: {problem}",
                hint=f"with the packages in a directory: lab kernel add {wanted.name} --from DIR; with another mirror: "
                "LAB_VAULT=ADDRESS; without them: --system replica",
            )


def as_system(own: OwnKernel, kernel: Kernel) -> Added:
    """Return a stored kernel as the system of a catalogue machine; its title shows whether it was verified."""
    is_verified = kernel.known == own.known
    title = own.title if is_verified else f"{own.title}, from {_given(kernel)} (its signature was not verified)"
    return kernel.system.model_copy(update={"title": title, "stands_in": True, "verified": is_verified})


def _given(kernel: Kernel) -> str:
    return Path(kernel.sources[0].given).name
