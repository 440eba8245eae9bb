"""`lab ssh`: the user's own terminal in a machine."""

from __future__ import annotations

from collections.abc import Sequence

from lab import process
from lab.errors import BadInput
from lab.files import write_whole
from lab.session import Session
from lab.ssh import command_line


def ssh(session: Session, name: str, command: Sequence[str]) -> int:
    """Log in to a running machine, or run a command there, on the user's own terminal.

    Args:
        session: The lab in use.
        name: The machine.
        command: The command and its arguments; an interactive shell for none.

    Returns:
        The command's exit status; 255 when the connection failed, as ssh(1) has it.

    Raises:
        BadInput: there is no such machine.
        BrokenEnvironment: it is not running, or ssh is not installed.
    """
    if not name:
        raise BadInput("which machine? lab ssh MACHINE [-- COMMAND...]")
    (machine,) = session.as_they_are(session.find([name]))
    endpoint = session.provider(machine).endpoint(machine)
    process.require("ssh", "openssh-client")
    known_hosts = session.home.machine(machine.name) / "known_hosts"
    write_whole(known_hosts, f"[{endpoint.host}]:{endpoint.port} {endpoint.host_key}\n")
    return process.in_foreground(command_line(endpoint, str(known_hosts), command))
