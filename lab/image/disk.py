"""Puts files into a guest's disk without mounting it."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from pathlib import Path

from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.files import write_whole
from lab.foundation.work import Work
from lab.image.base import STEP_BOUND_S

_PLAIN = re.compile(r"[A-Za-z0-9._@/+-]+")
"""Names that debugfs takes without quotes."""

_BANNER = re.compile(r"debugfs \d[^\n]*\n")
"""What debugfs prints about itself among its errors."""


def add(disk: Path, tree: Path, work: Work, log: Path) -> None:
    """Put the files of a tree into a disk, in place of those that it has.

    Regular files, symbolic links and directories; their owner is root, and the modes of files are kept.

    Args:
        disk: A raw ext4 file system.
        tree: A directory, as the root directory of the disk.
        work: Its cancellation ends the writing.
        log: File for the programs' output.

    Raises:
        BrokenEnvironment: debugfs is missing, or did not write everything.
        Cancelled: the work was cancelled.
    """
    clear: list[str] = []
    put: list[str] = []
    for path in sorted(tree.rglob("*")):
        name = str(path.relative_to(tree))
        if not _PLAIN.fullmatch(name) or (path.is_symlink() and not _PLAIN.fullmatch(str(path.readlink()))):
            raise BrokenEnvironment(f"{path}: a name that debugfs does not take")
        if path.is_dir() and not path.is_symlink():
            clear.append(f"mkdir /{name}")
            continue
        clear.append(f"rm /{name}")
        if path.is_symlink():
            put.append(f"symlink /{name} {path.readlink()}")
        else:
            mode = stat.S_IFREG | stat.S_IMODE(path.stat().st_mode)
            put += [f"write {name} /{name}", f"set_inode_field /{name} mode 0{mode:o}"]
            put += [f"set_inode_field /{name} {field} 0" for field in ("uid", "gid")]
    # Errors of the first commands are that there is no such file, or such a directory already.
    _run(disk, clear, tree, work, log)
    errors = _BANNER.sub("", _run(disk, put, tree, work, log))
    if errors.strip():
        raise BrokenEnvironment(f"the guest's disk could not be written: {errors.strip().splitlines()[0]}")


def _run(disk: Path, commands: Iterable[str], directory: Path, work: Work, log: Path) -> str:
    """Run commands of debugfs on a disk, in a directory; return its errors."""
    script, errors = disk.with_suffix(".commands"), disk.with_suffix(".errors")
    write_whole(script, "".join(f"{command}\n" for command in commands))
    try:
        run = 'exec "$0" -w -f "$1" "$2" >/dev/null 2>"$3"'
        program: list[str | Path] = ["sh", "-c", run, process.require("debugfs", "e2fsprogs"), script, disk, errors]
        process.run(program, work=work, log=log, bound_s=STEP_BOUND_S, cwd=directory)
        return errors.read_text(errors="replace")
    finally:
        script.unlink(missing_ok=True)
        errors.unlink(missing_ok=True)
