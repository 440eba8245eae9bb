"""`lab runs`: list, describe, remove, repair, export and import stored runs."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from lab.commands.runs_result import (
    RunDescribed,
    RunExported,
    RunImported,
    RunRepaired,
    RunsListed,
    RunsRemoved,
    StoredCell,
    StoredRun,
)
from lab.foundation.errors import BadInput
from lab.foundation.files import locked
from lab.foundation.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.runs import damage, layout, pack, remove, repair, unpack
from lab.runs.damage import DamagedRunError
from lab.runs.run import Run
from lab.session.session import Session

DEFAULT_SUFFIX = ".tar.zst"
"""Default suffix of an archive."""

_AGE = re.compile(r"(\d{1,5})([hdw])", re.ASCII)
_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}


def list_all(session: Session) -> Result[RunsListed]:
    """List the stored runs; exit status 1 when one is damaged."""
    runs = tuple(_stored(path) for path in session.store.directories())
    return Result(RunsListed(session.home.runs, runs), _status(runs))


def show(session: Session, typed: str) -> Result[RunDescribed]:
    """Describe one run; exit status 1 when it is damaged.

    Args:
        session: The lab in use.
        typed: Its name, the beginning of it, or "newest".

    Raises:
        BadInput: there is no such run.
    """
    path = session.store.directory(typed)
    stored = _stored(path)
    try:
        run = damage.read(path)
    except DamagedRunError:
        cells = tuple(_cell(path, each.machine, each.scenario, None) for each in layout.cells(path))
        return Result(RunDescribed(stored, path, {}, cells), NOT_AS_EXPECTED)
    cells = tuple(
        _cell(path, machine, scenario, session.store.left_out(run, machine, scenario))
        for scenario in run.scenarios
        for machine in run.machines
    )
    return Result(RunDescribed(stored, path, run.machines, cells), AS_ASKED)


def rm(session: Session, typed: Sequence[str], older_than_s: float | None, *, yes: bool) -> Result[RunsRemoved]:
    """Remove runs with all their trials.

    Args:
        session: The lab in use.
        typed: Their names, or beginnings of names; with an age, all runs for none.
        older_than_s: Only runs that were started more than this many seconds ago; None for any age.
        yes: Do not ask for confirmation.

    Raises:
        BadInput: there is no such run, or the user does not agree.
        BrokenEnvironment: a run is in use, or cannot be removed.
    """
    store = session.store
    if not typed and older_than_s is None:
        raise BadInput("no run is named", hint="lab runs rm ID..., or lab runs rm --older-than 30d")
    named = [store.directory(one) for one in typed] if typed else store.directories()
    chosen = [path for path in dict.fromkeys(named) if older_than_s is None or _age_s(path) > older_than_s]
    if not chosen:
        return Result(RunsRemoved((), 0))
    size_bytes = sum(layout.size_bytes(path) for path in chosen)
    names = tuple(path.name for path in chosen)
    trials = sum(layout.finished_trials(path) for path in chosen)
    if not yes and not session.work.may(f"Remove {', '.join(names)}, with {trials} finished trials?"):
        raise BadInput(
            f"nothing was removed: it would have been {', '.join(names)}, with {trials} finished trials",
            hint="to remove without a question: --yes",
        )
    for path in chosen:
        with ExitStack() as stack:
            for machine in _being_used(path):
                lock = session.home.machine_lock(machine)
                if lock.exists():
                    stack.enter_context(locked(lock, machine, session.work, bound_s=0))
            remove.remove(path)
    return Result(RunsRemoved(names, size_bytes))


def age_s(text: str) -> float | None:
    """Parse an age such as `30d`, `12h` or `2w` into seconds; return None if it is invalid."""
    found = _AGE.fullmatch(text)
    return float(int(found[1]) * _SECONDS[found[2]]) if found else None


def mend(session: Session, typed: str) -> Result[RunRepaired]:
    """Rebuild a damaged run's description from the files beside its trials; an intact one is not changed.

    Args:
        session: The lab in use.
        typed: Its name, the beginning of it, or "newest".

    Raises:
        BadInput: there is no such run, or another version of the lab wrote it.
    """
    path = session.store.directory(typed)
    trials = layout.finished_trials(path)
    try:
        run = damage.read(path)
    except DamagedRunError as error:
        if error.is_foreign:
            raise
    else:
        return Result(RunRepaired(run.id, path, was_damaged=False, trials=trials))
    with session.work.step(f"rebuilding run {path.name}"):
        rebuilt = repair.rebuild(path)
        repair.store(path, rebuilt)
    return Result(
        RunRepaired(
            rebuilt.run.id,
            path,
            was_damaged=True,
            trials=trials,
            machines_not_known=rebuilt.machines_not_known,
            scenarios_not_known=rebuilt.scenarios_not_known,
            scenarios_of_catalogue=rebuilt.scenarios_of_catalogue,
        )
    )


def export(session: Session, typed: str, archive: Path | None) -> Result[RunExported]:
    """Pack a run into one archive.

    Args:
        session: The lab in use.
        typed: Its name, the beginning of it, or "newest".
        archive: The archive; None for a file in the working directory with the run's name.

    Raises:
        BadInput: there is no such run, it is damaged, or the archive's name has no known suffix.
        BrokenEnvironment: it cannot be written.
    """
    path = session.store.directory(typed)
    run = damage.read(path)
    target = archive or Path(f"{run.id}{DEFAULT_SUFFIX}")
    with session.work.step(f"writing {target.name}"):
        packed = pack.pack(path, run, target)
    return Result(RunExported(run.id, target, packed))


def import_(session: Session, archive: Path) -> Result[RunImported]:
    """Store a run from an archive; a stored run is never changed.

    Args:
        session: The lab in use.
        archive: The file.

    Raises:
        BadInput: it is not an archive of a run, or another run with this name is stored.
        BrokenEnvironment: it cannot be stored.
    """
    with session.work.step(f"reading {archive.name}"):
        unpacked = unpack.unpack(archive, session.home.runs)
    path = session.home.runs / unpacked.run.id
    return Result(RunImported(unpacked.run.id, path, unpacked.is_new, layout.finished_trials(path)))


def _status(runs: Sequence[StoredRun]) -> int:
    return NOT_AS_EXPECTED if any(run.problem for run in runs) else AS_ASKED


def _stored(path: Path) -> StoredRun:
    trials, size_bytes = layout.finished_trials(path), layout.size_bytes(path)
    try:
        run = damage.read(path)
    except DamagedRunError as error:
        cells = list(layout.cells(path))
        return StoredRun(
            path.name,
            None,
            None,
            tuple(dict.fromkeys(cell.machine for cell in cells)),
            tuple(dict.fromkeys(cell.scenario for cell in cells)),
            trials,
            size_bytes,
            problem=error.problem,
            repair=None if error.is_foreign else error.repair,
        )
    return StoredRun(run.id, run.started, run.finished, tuple(run.machines), tuple(run.scenarios), trials, size_bytes)


def _cell(path: Path, machine: str, scenario: str, left_out: str | None) -> StoredCell:
    return StoredCell(machine, scenario, len(layout.trials(path / machine / scenario)), left_out)


def _age_s(path: Path) -> float:
    """Return the time since a run's start in seconds; since its directory's last change if the start is unknown."""
    try:
        started = time.strptime(damage.read(path).started, "%Y-%m-%dT%H:%M:%SZ")
    except (DamagedRunError, ValueError):
        return time.time() - path.stat().st_mtime
    return time.time() - calendar.timegm(started)


def _being_used(path: Path) -> Iterator[str]:
    """Return the machines that may be in use for a run, in the order of locking."""
    try:
        run: Run = damage.read(path)
    except DamagedRunError:
        return
    if run.finished is None:
        yield from sorted(run.machines)
