"""Decides within seconds which known kernels can be downloaded, for all at once, and remembers failures for a while."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.catalogue.document import Model
from lab.foundation.files import write_whole
from lab.kernels import obtain
from lab.kernels.known import Known

DECISION_S = 3.0
"""Time limit in all for the network checks of a system's choice."""

ASKED_FOR_S = 10.0
"""Time limit for a kernel that was requested explicitly: a slow network is better than none."""

REMEMBERED_S = 300.0
"""How long a server counts as unreachable: RFC 2308, 7.2 allows a resolver as long for a dead name server."""

_MEMORY = "unreachable.json"


class _DownloadFailure(Model):
    """Why a known kernel could not be downloaded.

    Attributes:
        places: Where it was looked for; with another LAB_VAULT or LAB_MIRROR the answer is void.
        why: The reason.
        at_s: Time in seconds since the epoch.
    """

    places: tuple[str, ...]
    why: str
    at_s: float


class _Memory(Model):
    """Answers by kernel name."""

    answers: dict[str, _DownloadFailure]


class Network:
    """Which kernels can be downloaded from here.

    Args:
        cache: The user's cache, where answers are kept.
    """

    def __init__(self, cache: Path) -> None:
        self._path = cache / _MEMORY
        self._expected: dict[str, Known] = {}
        self._problems: dict[str, str | None] = {}

    def expect(self, kernels: Iterable[Known]) -> None:
        """Register kernels that will be asked about."""
        self._expected |= {kernel.name: kernel for kernel in kernels}

    def where(self, kernel: Known) -> str | None:
        """Return a description of where a kernel can be downloaded; None when it cannot."""
        return None if self._problem(kernel) else "its kernel's packages can be downloaded"

    def why_not(self, kernel: Known) -> str:
        """Return why a kernel cannot be downloaded."""
        return f"its kernel's packages cannot be downloaded ({self._problem(kernel)})"

    def problem_now(self, kernel: Known) -> str | None:
        """Return why a kernel cannot be downloaded, checked again with a longer timeout; None when it can."""
        self._keep({kernel.name: (kernel, obtain.can_download(kernel, ASKED_FOR_S))})
        return self._problems[kernel.name]

    def _problem(self, kernel: Known) -> str | None:
        if kernel.name not in self._problems:
            self.expect([kernel])
            self._ask([one for one in self._expected.values() if one.name not in self._problems])
        return self._problems[kernel.name]

    def _ask(self, kernels: list[Known]) -> None:
        """Check these kernels: recent failures come from the cache, the others are tried in parallel."""
        remembered = self._remembered()
        for kernel in kernels:
            answer = remembered.get(kernel.name)
            if answer is not None and answer.places == _places(kernel):
                self._problems[kernel.name] = f"{answer.why}, {time.time() - answer.at_s:.0f} s ago"
        unknown = [kernel for kernel in kernels if kernel.name not in self._problems]
        if unknown:
            with ThreadPoolExecutor(len(unknown)) as pool:
                problems = list(pool.map(lambda kernel: obtain.can_download(kernel, DECISION_S), unknown))
            self._keep({kernel.name: (kernel, why) for kernel, why in zip(unknown, problems, strict=True)})

    def _remembered(self) -> dict[str, _DownloadFailure]:
        try:
            known = _Memory.model_validate_json(self._path.read_bytes()).answers
        except (OSError, ValueError):
            return {}
        # A clock that was set back must not extend an answer.
        return {name: one for name, one in known.items() if 0 <= time.time() - one.at_s < REMEMBERED_S}

    def _keep(self, answers: dict[str, tuple[Known, str | None]]) -> None:
        known = self._remembered()
        for name, (kernel, why) in answers.items():
            self._problems[name] = why
            known.pop(name, None)
            if why:
                known[name] = _DownloadFailure(places=_places(kernel), why=why, at_s=time.time())
        write_whole(self._path, _Memory(answers=known).model_dump_json())


def _places(kernel: Known) -> tuple[str, ...]:
    """Return the places where a kernel is looked for."""
    return (os.environ.get("LAB_MIRROR", ""), kernel.suite) if kernel.suite else obtain.bases(kernel)
