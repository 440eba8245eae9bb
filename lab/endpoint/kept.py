"""The connection that `lab ssh` keeps for the next one, by a control socket of OpenSSH (ssh_config(5), ControlMaster).

A login under emulation takes longer than most commands. ssh itself keeps the connection, ends it when it was unused for
KEPT_S or the machine goes away, and replaces a socket behind which no one listens.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

from lab.endpoint.endpoint import Endpoint
from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment

KEPT_S = 300
"""An unused connection is closed after so many seconds."""

_SOCKET = "ssh-{port}"
"""In the machine's directory; a machine that was started again has another port, or its connection has ended."""

_PATH_MAX = 107 - len(".0123456789abcdef")
"""sun_path of unix(7) without its end, and what ssh adds to the name until the socket is complete."""

_PLAIN = re.compile(r"/[\w./+@:,=-]*", re.ASCII)
"""Paths in which ssh_config(5) sees neither tokens nor several words."""


def options(endpoint: Endpoint, directory: Path) -> Mapping[str, str]:
    """Return ssh's options for keeping a connection; none where a socket in the directory cannot have a name.

    Args:
        endpoint: Address of the machine.
        directory: The machine's.
    """
    socket = directory / _SOCKET.format(port=endpoint.port)
    if len(str(socket).encode()) > _PATH_MAX or not _PLAIN.fullmatch(str(socket)):
        return {}
    return {
        "ControlMaster": "auto",
        "ControlPath": str(socket),
        "ControlPersist": str(KEPT_S),
        # A machine that hangs is noticed, too.
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "3",
    }


def close(directory: Path) -> None:
    """Close the kept connections to the machine in a directory, as far as there are any."""
    for socket in directory.glob(_SOCKET.format(port="*")):
        with contextlib.suppress(BrokenEnvironment):  # behind a socket that was left over no one listens
            process.output_of(["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "machine"])
        socket.unlink(missing_ok=True)
