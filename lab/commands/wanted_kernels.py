"""The kernels that patterns match: added ones, and known ones, which are downloaded and added if missing."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lab.catalogue import find
from lab.foundation.errors import Cancelled, LabError
from lab.foundation.home import MACHINES, PROVISION
from lab.kernels import by_name, known, obtain
from lab.kernels.known import Known
from lab.session.session import Session

AT_ONCE = 8
"""How many mirrors are probed at once."""


@dataclass(frozen=True)
class NotRun:
    """A kernel on which no trial is made.

    Attributes:
        name: The known kernel's name.
        reason: Why it could not be obtained or added.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class WantedKernels:
    """The kernels that patterns match.

    Attributes:
        names: The names, in this lab, of the available ones.
        not_run: The unavailable ones.
    """

    names: tuple[str, ...]
    not_run: tuple[NotRun, ...]


def ensure(session: Session, patterns: Sequence[str]) -> WantedKernels:
    """Add all kernels that patterns match; one that is unavailable does not stop the others.

    Args:
        session: The lab in use.
        patterns: Shell patterns of known kernels' names and of names of kernels that were added.

    Raises:
        BadInput: a pattern matches no kernel.
        Cancelled: the work was cancelled; kernels added so far are kept.
    """
    names: dict[str, None] = {}
    wanted: dict[str, Known] = {}
    for pattern in patterns:
        added = fnmatch.filter(session.kernels.names(), pattern)
        matching = known.matching(PROVISION, pattern)
        if not added and not matching:
            known.get(PROVISION, pattern)  # reports similar names
        named = {_name(session, one): one for one in matching}
        names |= dict.fromkeys([*added, *named])
        wanted |= named
    not_run = _add_missing(session, list(wanted.values()))
    lacking = {known.store_name(one.name) for one in not_run}
    return WantedKernels(tuple(name for name in names if name not in lacking), tuple(not_run))


def _name(session: Session, one: Known) -> str:
    """Return the name in this lab that a known kernel has, or will have."""
    kernel = session.kernels.made_of(one.name)
    return kernel.name if kernel else one.store_name


def _add_missing(session: Session, wanted: Sequence[Known]) -> list[NotRun]:
    taken = [machine.name for machine in find.machines(MACHINES, ())]
    unreachable = _unreachable(session, wanted)
    not_run = []
    for position, one in enumerate(wanted, start=1):
        if one.name in unreachable:
            not_run.append(NotRun(one.name, f"its packages cannot be downloaded: {unreachable[one.name]}"))
            continue
        if _name(session, one) not in session.kernels.names():
            session.work.note(f"kernel {position} of {len(wanted)}: {one.name}")
        try:
            by_name.ensure_added(session.kernels, one, cache=session.home.cache, work=session.work, taken=taken)
        except Cancelled:
            raise
        except LabError as error:
            not_run.append(NotRun(one.name, error.message))
    return not_run


def _unreachable(session: Session, wanted: Sequence[Known]) -> dict[str, str]:
    """Return, by name, why missing known kernels cannot be downloaded; all are probed at once."""
    added = session.kernels.names()
    missing = [
        one for one in wanted if _name(session, one) not in added and not obtain.is_cached(one, session.home.cache)
    ]
    if not missing:
        return {}
    with session.work.step("finding out what can be downloaded"), ThreadPoolExecutor(AT_ONCE) as pool:
        reasons = list(pool.map(obtain.can_download, missing))
    return {one.name: reason for one, reason in zip(missing, reasons, strict=True) if reason}
