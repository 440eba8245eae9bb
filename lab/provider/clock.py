"""Measures how far a guest's clock is behind the host's, to some milliseconds.

A command over SSH takes a tenth of a second or more, and how much of it passes before the guest reads its clock is
unknown. So the guest prints its time on the console, which QEMU writes to a file immediately.
"""

from __future__ import annotations

import re
from pathlib import Path

from lab.endpoint.ssh import Shell
from lab.foundation.errors import BrokenEnvironment

_CONSOLE_TIME = re.compile(r"^now ([0-9]+\.[0-9]+)\r?$", re.MULTILINE)


def behind_s(shell: Shell, console: Path) -> float:
    """Return by how many seconds a guest's clock is behind the host's.

    Args:
        shell: A connection to the guest.
        console: The file of its console.

    Raises:
        BrokenEnvironment: the guest does not answer, or its console does not contain the answer.
    """
    shell.ask(["sh", "-c", "date +'now %s.%N' >/dev/console"])
    times = _CONSOLE_TIME.findall(console.read_text(errors="replace"))
    if not times:
        raise BrokenEnvironment("its clock's time did not come through its console", evidence=console)
    return console.stat().st_mtime - float(times[-1])
