"""Extracts selected files from a package, never outside the target tree, and runs no package scripts."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lab.foundation.errors import BadInput
from lab.foundation.later import Later
from lab.foundation.work import Work
from lab.kernels import rpm_file

if TYPE_CHECKING:
    import libarchive
    from libarchive.entry import ArchiveEntry
    from libarchive.read import ArchiveRead
else:
    libarchive = Later("libarchive")

MOST_BYTES = 8_000_000_000
"""Most unpacked bytes: Debian's generic kernel has 0.4 GB, one with debug information 5 GB."""

MOST_FILES = 500_000
"""Most files: a kernel's headers have twenty thousand."""

DEB_DATA = "data.tar"
"""Member with the files of a Debian package, with any compression suffix: deb(5)."""

_BLOCK = 1 << 18

_DEB = b"!<arch>\n"
"""Magic bytes of a Debian package: ar(5)."""


@dataclass(frozen=True)
class Wanted:
    """Selects files by their path from the package's root.

    Attributes:
        paths: Returns whether a file is selected.
        links: Returns whether a path selected by `paths` may be a symbolic link.
    """

    paths: Callable[[PurePosixPath], bool]
    links: Callable[[PurePosixPath], bool]


def unpack(package: Path, target: Path, wanted: Wanted, work: Work) -> None:
    """Extract files from an RPM or a Debian package.

    Symbolic links are kept as written if they stay in the tree; they are not followed here.

    Args:
        package: The file.
        target: The tree to extract into; it may already hold another package's files.
        wanted: Which files to extract.
        work: Checked for cancellation.

    Raises:
        BadInput: the package is damaged, truncated or of another type, or holds what no kernel package holds.
        Cancelled: the work was cancelled.
    """
    with package.open("rb") as file:
        magic = file.read(8)
    try:
        if magic.startswith(_DEB):
            _unpack_deb(package, target, wanted, work)
        elif magic.startswith(rpm_file.LEAD):
            # Restrict libarchive to the expected format: some formats make it open other files of the host.
            with libarchive.file_reader(str(package), "cpio", block_size=_BLOCK) as entries:
                _take(package, entries, target, wanted, work, may_be_empty=not rpm_file.read(package).has_files)
        else:
            raise BadInput(f"{package.name} is neither an RPM nor a Debian package")
    except (libarchive.ArchiveError, rpm_file.RpmFileError) as error:
        raise _refused(package, f"it is damaged or cut off: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return an error's reason, without the numbers and addresses of libarchive's own."""
    return (error.msg or "unknown format").strip() if isinstance(error, libarchive.ArchiveError) else str(error)


def _unpack_deb(package: Path, target: Path, wanted: Wanted, work: Work) -> None:
    with libarchive.file_reader(str(package), "ar", block_size=_BLOCK) as members:
        for member in members:
            if member.pathname.startswith(DEB_DATA):
                with (
                    _spooled(member, target.with_name(f"{target.name}.data"), work) as data,
                    libarchive.file_reader(str(data), "tar", block_size=_BLOCK) as entries,
                ):
                    _take(package, entries, target, wanted, work)
                return
    raise _refused(package, f"it has no {DEB_DATA}: it is not a Debian package")


@contextmanager
def _spooled(member: ArchiveEntry, path: Path, work: Work) -> Iterator[Path]:
    """Yield the path of a temporary file with an archive nested in an archive."""
    try:
        _write(member, path, work)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _take(  # noqa: PLR0913  what is extracted, and where to
    package: Path, entries: ArchiveRead, target: Path, wanted: Wanted, work: Work, *, may_be_empty: bool = False
) -> None:
    files = size = 0
    made: set[PurePosixPath] = set()
    for entry in entries:
        files += 1
        size += entry.size or 0
        if files > MOST_FILES or size > MOST_BYTES:
            raise _refused(package, f"it holds more than {MOST_FILES} files or {MOST_BYTES // 10**9} GB")
        path = _inside(package, entry.pathname)
        if stat.S_IFMT(entry.mode) in (stat.S_IFBLK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK):
            raise _refused(package, f"it holds a device: {entry.pathname}")
        if entry.issym:
            _check_link(package, path, entry.linkpath)
        if entry.isdir or not path.parts or not wanted.paths(path) or (entry.issym and not wanted.links(path)):
            continue
        _put(package, entry, target, path, made, work)
    if not files and not may_be_empty:  # what is cut off in an RPM's own header passes for an archive of nothing
        raise libarchive.ArchiveError("it holds nothing")


def _put(  # noqa: PLR0913, PLR0917  as for _take
    package: Path, entry: ArchiveEntry, target: Path, path: PurePosixPath, made: set[PurePosixPath], work: Work
) -> None:
    where = target / path
    _make_way(package, target, path, made)
    # Existing files are checked only on a conflict: headers have twenty thousand files.
    try:
        _make(package, entry, target, where, work)
    except FileExistsError:
        if where.is_dir() and not where.is_symlink():
            raise _refused(package, f"{path} is a file and a directory") from None
        where.unlink()
        _make(package, entry, target, where, work)


def _make(package: Path, entry: ArchiveEntry, target: Path, where: Path, work: Work) -> None:
    """Create the file or link that an entry describes.

    Raises:
        FileExistsError: the path exists; nothing was read of the entry.
    """
    if entry.issym:
        where.symlink_to(entry.linkpath)
    elif entry.islnk:
        source = target / _inside(package, entry.linkpath)
        if source.is_file() and not source.is_symlink():
            where.hardlink_to(source)
    else:
        _write(entry, where, work)


def _make_way(package: Path, target: Path, path: PurePosixPath, made: set[PurePosixPath]) -> None:
    """Create a path's directories, through no symbolic link.

    Args:
        package: The package, for the error message.
        target: The tree.
        path: The path.
        made: Directories already created for this package, which no entry can replace.
    """
    if path.parent in made:
        return
    for directory in reversed(path.parents):
        where = target / directory
        if where.is_symlink():
            raise _refused(package, f"{path} lies behind a symbolic link")
        where.mkdir(exist_ok=True)
    made.add(path.parent)


def _write(entry: ArchiveEntry, where: Path, work: Work) -> None:
    """Write a new file.

    Raises:
        FileExistsError: the file exists.
    """
    written = 0
    mode = 0o755 if entry.mode & 0o100 else 0o644
    with os.fdopen(os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        for block in entry.get_blocks():
            written += len(block)
            if written > MOST_BYTES:
                raise libarchive.ArchiveError(f"{entry.pathname} does not end")
            file.write(block)
            work.check()
    if entry.size is not None and written != entry.size:
        raise libarchive.ArchiveError(f"{entry.pathname} is cut off")


def _inside(package: Path, name: str) -> PurePosixPath:
    """Return a path from the package's root."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise _refused(package, f"it holds a path that leaves it: {name}")
    return PurePosixPath(*parts)


def _check_link(package: Path, path: PurePosixPath, to: str) -> None:
    """Check that a link stays in the tree; an absolute one starts at its root."""
    depth = 0 if to.startswith("/") else len(path.parts) - 1
    for part in to.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            raise _refused(package, f"it holds a link that leaves it: {path} -> {to}")


def _refused(package: Path, why: str) -> BadInput:
    return BadInput(f"{package.name}: {why}", hint="get it again from its source, and compare its checksum")
