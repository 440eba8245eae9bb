"""How far behind a guest's clock is, to some milliseconds.

A command over SSH takes a tenth of a second or more, and nobody knows how much of it passed before the guest looked at
its clock. So it says on its console what time it is, which QEMU writes into a file at that very moment.
"""

from __future__ import annotations

import re
from pathlib import Path

from lab.errors import BrokenEnvironment
from lab.ssh import Shell

_SAID = re.compile(r"^now ([0-9]+\.[0-9]+)\r?$", re.MULTILINE)


def behind_s(shell: Shell, console: Path) -> float:
    """Give how far a guest's clock is behind the host's, in seconds.

    Args:
        shell: A connection to it.
        console: Where its console goes.

    Raises:
        BrokenEnvironment: it cannot be asked, or its console does not have the answer.
    """
    shell.ask(["sh", "-c", "date +'now %s.%N' >/dev/console"])
    said = _SAID.findall(console.read_text(errors="replace"))
    if not said:
        raise BrokenEnvironment("its clock's time did not come through its console", evidence=console)
    return console.stat().st_mtime - float(said[-1])
