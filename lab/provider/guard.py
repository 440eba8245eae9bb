"""Stops a lab's embedded machines and removes that lab when the process that needed it is gone.

Run as a program: `python -m lab.provider.guard HOME`. Its parent keeps its standard input open for as long as HOME is
needed; when that closes, even because the parent was killed, the guard cleans up.
"""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

from lab.provider import qemu_process


def tidy(home: Path) -> None:
    """Stop every QEMU of a lab's machines, and remove the lab's directory."""
    for directory in (home / "machines").glob("*/"):
        started = qemu_process.running(directory)
        if started is not None:
            started.end()
    shutil.rmtree(home, ignore_errors=True)


def main() -> None:
    """Wait for the end of standard input, then clean up."""
    # Ctrl-C is for the other processes; the guard has to outlive them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdin.buffer.read()
    tidy(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
