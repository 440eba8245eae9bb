"""Ends what a lab's embedded machines run, and removes that lab, when whoever needed it is gone.

Run as a program: `python -m lab.provider.guard HOME`. Whoever starts it keeps its standard input open for as long as
HOME is needed; when that closes, be it because that process was killed, the guard tidies up.
"""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

from lab.provider import qemu_process


def tidy(home: Path) -> None:
    """End every QEMU of a lab's machines, and remove the lab's directory."""
    for directory in (home / "machines").glob("*/"):
        started = qemu_process.running(directory)
        if started is not None:
            started.end()
    shutil.rmtree(home, ignore_errors=True)


def main() -> None:
    """Wait for the end of standard input, then tidy up."""
    # A Ctrl-C is for those who work; the guard has to see them gone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdin.buffer.read()
    tidy(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
