"""Unpacks a run from an archive that is not trusted."""

from __future__ import annotations

import filecmp
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lab.foundation import bounded
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.tar import ArchiveEntry, TarReader, UnsafeArchiveError
from lab.runs import damage, layout
from lab.runs.damage import DamagedRunError
from lab.runs.pack import MOST_FILES, is_directory_of_run, is_file_of_run
from lab.runs.run import Run
from lab.runs.trial_stream import MAX_FILE_BYTES

MOST_BYTES = 4_000_000_000
"""What a run may have when it is unpacked: a hundred thousand trials with evidence."""

RATIO = 500
"""Raw files of trials are compressed to a tenth, at best to a fiftieth; a bomb to a thousandth or less."""


@dataclass(frozen=True)
class Unpacked:
    """A run that was unpacked.

    Attributes:
        run: Its description.
        is_new: Whether it was not stored before.
    """

    run: Run
    is_new: bool


def unpack(archive: Path, runs: Path) -> Unpacked:
    """Unpack a run and store it; a stored run is never changed.

    Args:
        archive: The file.
        runs: The directory of the stored runs.

    Raises:
        BadInput: it is not an archive of a run, or another run with this name is stored.
        BrokenEnvironment: nothing can be written.
    """
    if not archive.is_file():
        raise BadInput(f"there is no file {archive}")
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with _scratch(runs) as scratch, bounded.opened(archive, MOST_BYTES, RATIO) as source:
            name = _take(TarReader(source, MAX_FILE_BYTES), scratch)
            return _put(_checked(scratch / name), scratch / name, runs / name)
    except UnsafeArchiveError as error:
        raise BadInput(f"{archive.name} cannot be imported: {error}", hint="nothing was stored") from error
    except OSError as error:
        raise BrokenEnvironment(f"{archive.name} was not imported: {error.strerror or error}") from error


def _take(reader: TarReader, scratch: Path) -> str:
    """Unpack an archive into a directory, and return the run's name."""
    name = ""
    for count, entry in enumerate(reader, start=1):
        if count > MOST_FILES:
            raise UnsafeArchiveError(f"it holds more than {MOST_FILES} files")
        parts = _parts(entry)
        name = name or parts[0]
        if parts[0] != name:
            raise UnsafeArchiveError(f"it holds more than one run: {name} and {parts[0]}")
        _make(reader, entry, scratch.joinpath(*parts))
    if not name:
        raise UnsafeArchiveError("it holds nothing")
    return name


def _parts(entry: ArchiveEntry) -> tuple[str, ...]:
    """Return the parts of an entry's path.

    Raises:
        UnsafeArchiveError: a run has no such path.
    """
    path = PurePosixPath(entry.name)
    parts, depth = path.parts, len(path.parts) - 2
    # Each part is checked: none is absolute, hidden, or `..`.
    is_plain = bool(parts) and all(layout.is_name(part) for part in parts) and str(path) == entry.name.rstrip("/")
    directories = parts[1:] if entry.size is None else parts[1:-1]
    lies_there = all(is_directory_of_run(number, part) for number, part in enumerate(directories))
    is_file_there = entry.size is None or (depth >= 0 and is_file_of_run(depth, parts[-1]))
    if is_plain and lies_there and is_file_there:
        return parts
    raise UnsafeArchiveError(f"{entry.name!r} is no place in a run")


def _make(reader: TarReader, entry: ArchiveEntry, path: Path) -> None:
    try:
        if entry.size is None:
            path.mkdir(parents=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for piece in reader.content():
                file.write(piece)
    except (FileExistsError, NotADirectoryError):
        raise UnsafeArchiveError(f"{entry.name!r} is in it twice") from None


def _checked(directory: Path) -> Run:
    """Return the description of an unpacked run, if everything that was unpacked belongs to it."""
    try:
        run = damage.read(directory)
    except DamagedRunError as error:
        raise UnsafeArchiveError(f"its run.json cannot be read: {error.problem}") from error
    for cell in layout.cells(directory):
        if cell.machine not in run.machines or cell.scenario not in run.scenarios:
            raise UnsafeArchiveError(f"it holds {cell.machine}/{cell.scenario}, which its run.json does not name")
    return run


def _put(run: Run, directory: Path, target: Path) -> Unpacked:
    """Move a run into the store, unless it is stored already."""
    if not target.exists():
        try:
            directory.rename(target)
        except OSError:
            if not target.exists():
                raise
        else:
            return Unpacked(run, is_new=True)
    if _same(directory, target):
        return Unpacked(run, is_new=False)
    raise UnsafeArchiveError(f"a run called {run.id} is stored already, and differs from it")


def _same(one: Path, other: Path) -> bool:
    """Return whether two directories have the same content, except for entries that are not packed."""
    names = {path.name for path in one.iterdir()}
    if {path.name for path in other.iterdir() if not path.name.startswith(".") and not path.is_symlink()} != names:
        return False
    for name in names:
        mine, theirs = one / name, other / name
        if mine.is_dir() != theirs.is_dir() or theirs.is_symlink():
            return False
        if not (_same(mine, theirs) if mine.is_dir() else filecmp.cmp(mine, theirs, shallow=False)):
            return False
    return True


@contextmanager
def _scratch(runs: Path) -> Iterator[Path]:
    """Return a hidden directory beside the runs, which is not listed as a run."""
    path = Path(tempfile.mkdtemp(prefix=".importing-", dir=runs))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
