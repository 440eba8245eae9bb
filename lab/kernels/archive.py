"""Takes files out of a package: never more than was asked for, never a path that leaves the tree, never a script."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import libarchive
from libarchive.entry import ArchiveEntry
from libarchive.exception import ArchiveError
from libarchive.read import ArchiveRead

from lab.errors import BadInput
from lab.work import Work

MOST_BYTES = 8_000_000_000
"""What a package may hold when it is unpacked: Debian's generic kernel has 0.4 GB, one with debug information 5 GB."""

MOST_FILES = 500_000
"""Likewise: a kernel's headers have twenty thousand files."""

DEB_DATA = "data.tar"
"""The files of a Debian package, whatever they are compressed with: deb(5)."""

_BLOCK = 1 << 18

_DEB, _RPM = b"!<arch>\n", b"\xed\xab\xee\xdb"
"""How they begin: ar(5), and the lead of an RPM (RPM's format document)."""


@dataclass(frozen=True)
class Wanted:
    """What is to be taken out, by its path from the package's root.

    Attributes:
        paths: Tells whether a file is.
        links: Tells whether a symbolic link is that `paths` tells of.
    """

    paths: Callable[[PurePosixPath], bool]
    links: Callable[[PurePosixPath], bool]


def unpack(package: Path, target: Path, wanted: Wanted, work: Work) -> None:
    """Take files out of an RPM or a Debian package.

    Symbolic links are kept as they are written, as long as they stay in the tree: nobody follows them here.

    Args:
        package: The file.
        target: The tree to put them in; it may hold another package's already.
        wanted: Which of them.
        work: Whose cancellation ends it.

    Raises:
        BadInput: it is damaged, cut off or none of these, or holds what no kernel package holds.
        Cancelled: the work was cancelled.
    """
    with package.open("rb") as file:
        magic = file.read(8)
    try:
        if magic.startswith(_DEB):
            _unpack_deb(package, target, wanted, work)
        elif magic.startswith(_RPM):
            # Of all that libarchive reads only what is expected: some formats have it open other files of the host.
            with libarchive.file_reader(str(package), "cpio", block_size=_BLOCK) as entries:
                _take(package, entries, target, wanted, work)
        else:
            raise BadInput(f"{package.name} is neither an RPM nor a Debian package")
    except ArchiveError as error:
        raise _refused(package, f"it is damaged or cut off: {error}") from error


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
    raise _refused(package, f"it has no {DEB_DATA}: it is no Debian package")


@contextmanager
def _spooled(member: ArchiveEntry, path: Path, work: Work) -> Iterator[Path]:
    """Give an archive within an archive as a file."""
    try:
        _write(member, path, work)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _take(package: Path, entries: ArchiveRead, target: Path, wanted: Wanted, work: Work) -> None:
    files = size = 0
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
        _put(package, entry, target, path, work)
    if not files:  # what is cut off in an RPM's own header passes for an archive of nothing
        raise ArchiveError("it holds nothing")


def _put(package: Path, entry: ArchiveEntry, target: Path, path: PurePosixPath, work: Work) -> None:
    where = target / path
    _make_way(package, target, path)
    if entry.issym:
        where.symlink_to(entry.linkpath)
    elif entry.islnk:
        source = target / _inside(package, entry.linkpath)
        if source.is_file() and not source.is_symlink():
            where.hardlink_to(source)
    else:
        _write(entry, where, work)


def _make_way(package: Path, target: Path, path: PurePosixPath) -> None:
    """Make a path's directories, through no link, and remove what stands in its place."""
    parent = target
    for part in path.parts[:-1]:
        parent /= part
        if parent.is_symlink():
            raise _refused(package, f"{path} lies behind a symbolic link")
        parent.mkdir(exist_ok=True)
    where = parent / path.name
    if where.is_dir() and not where.is_symlink():
        raise _refused(package, f"{path} is a file and a directory")
    where.unlink(missing_ok=True)


def _write(entry: ArchiveEntry, where: Path, work: Work) -> None:
    written = 0
    with where.open("wb") as file:
        for block in entry.get_blocks():
            written += len(block)
            if written > MOST_BYTES:
                raise ArchiveError(f"{entry.pathname} does not end")
            file.write(block)
            work.check()
    if entry.size is not None and written != entry.size:
        raise ArchiveError(f"{entry.pathname} is cut off")
    where.chmod(0o755 if entry.mode & 0o100 else 0o644)


def _inside(package: Path, name: str) -> PurePosixPath:
    """Give a path from the package's root."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise _refused(package, f"it holds a path that leaves it: {name}")
    return PurePosixPath(*parts)


def _check_link(package: Path, path: PurePosixPath, to: str) -> None:
    """Make sure that a link stays in the tree; an absolute one begins at its root."""
    depth = 0 if to.startswith("/") else len(path.parts) - 1
    for part in to.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            raise _refused(package, f"it holds a link that leaves it: {path} -> {to}")


def _refused(package: Path, why: str) -> BadInput:
    return BadInput(f"{package.name}: {why}", hint="take it from where it came once more, and compare its checksum")
