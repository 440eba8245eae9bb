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


def add(disk: Path, trees: Iterable[Path], work: Work, log: Path) -> None:
    """Put the files of trees into a disk, in place of those that it has.

    Regular files, symbolic links and directories; their owner is root, and their modes are kept, but for those of
    directories that the disk has.

    Args:
        disk: A raw ext4 file system.
        trees: Directories, each as the root directory of the disk; a later one replaces files of an earlier one.
        work: Its cancellation ends the writing.
        log: File for the programs' output.

    Raises:
        BrokenEnvironment: debugfs is missing, or did not write everything.
        Cancelled: the work was cancelled.
    """
    clear: dict[str, None] = {}
    put: dict[str, list[str]] = {}
    for tree in trees:
        for path in sorted(tree.rglob("*")):
            place = f"/{path.relative_to(tree)}"
            if not _PLAIN.fullmatch(f"{path}{place}"):
                raise BrokenEnvironment(f"{path}: a name that debugfs does not take")
            if path.is_symlink():
                clear[f"rm {place}"] = None
                put[place] = [f"symlink {place} {path.readlink()}"]
            elif path.is_dir():
                clear[f"mkdir {place}"] = None
            else:
                clear[f"rm {place}"] = None
                mode = stat.S_IFREG | stat.S_IMODE(path.stat().st_mode)
                owned = [f"set_inode_field {place} {field} 0" for field in ("uid", "gid")]
                put[place] = [f"write {path} {place}", f"set_inode_field {place} mode 0{mode:o}", *owned]
    # Errors of the first commands are that there is no such file, or such a directory already.
    _run(disk, clear, work, log)
    errors = _BANNER.sub("", _run(disk, (command for commands in put.values() for command in commands), work, log))
    if errors.strip():
        raise BrokenEnvironment(f"the guest's disk could not be written: {errors.strip().splitlines()[0]}")


def _run(disk: Path, commands: Iterable[str], work: Work, log: Path) -> str:
    """Run commands of debugfs on a disk; return its errors."""
    script, errors = disk.with_suffix(".commands"), disk.with_suffix(".errors")
    write_whole(script, "".join(f"{command}\n" for command in commands))
    try:
        run = 'exec "$0" -w -f "$1" "$2" >/dev/null 2>"$3"'
        debugfs = process.require("debugfs", "e2fsprogs")
        process.run(["sh", "-c", run, debugfs, script, disk, errors], work=work, log=log, bound_s=STEP_BOUND_S)
        return errors.read_text(errors="replace")
    finally:
        script.unlink(missing_ok=True)
        errors.unlink(missing_ok=True)
