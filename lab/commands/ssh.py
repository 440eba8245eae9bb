"""`lab ssh`: the user's terminal on a machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.endpoint.ssh import command_line
from lab.foundation import process
from lab.foundation.errors import BadInput
from lab.foundation.files import write_whole
from lab.foundation.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.session.machine import ChosenMachine
from lab.session.session import Session


@dataclass(frozen=True)
class CommandOutput:
    """The output of a command on a machine, standard error last."""

    lines: tuple[str, ...]


def ssh(session: Session, name: str, command: Sequence[str]) -> int:
    """Log in to a running machine, or run a command there, on the user's terminal.

    Args:
        session: The lab in use.
        name: The machine.
        command: The command and its arguments; an interactive shell for none.

    Returns:
        The command's exit status; 255 when the connection failed, as with ssh(1).

    Raises:
        BadInput: there is no such machine.
        BrokenEnvironment: it is not running, or ssh is not installed.
    """
    machine = _machine(session, name)
    endpoint = session.provider(machine).endpoint(machine)
    process.require("ssh", "openssh-client")
    known_hosts = session.home.machine(machine.name) / "known_hosts"
    write_whole(known_hosts, f"[{endpoint.host}]:{endpoint.port} {endpoint.host_key}\n")
    return process.in_foreground(command_line(endpoint, known_hosts, command, keep=True))


def captured(session: Session, name: str, command: Sequence[str]) -> Result[CommandOutput]:
    """Run a command on a running machine and return its output; exit status 1 when its own is not 0.

    Args:
        session: The lab in use.
        name: The machine.
        command: The command and its arguments, which the machine's shell reads, as with ssh(1).

    Raises:
        BadInput: there is no such machine, or no command.
        BrokenEnvironment: it is not running, or the command took longer than a minute.
    """
    machine = _machine(session, name)
    if not command:
        raise BadInput("which command? lab ssh MACHINE -- COMMAND...")
    output = session.shell(machine).run(["sh", "-c", " ".join(command)])
    text = output.stdout.decode(errors="replace") + output.stderr
    return Result(CommandOutput(tuple(text.splitlines())), AS_ASKED if output.status == 0 else NOT_AS_EXPECTED)


def _machine(session: Session, name: str) -> ChosenMachine:
    if not name:
        raise BadInput("which machine? lab ssh MACHINE [-- COMMAND...]")
    (machine,) = session.current(session.find([name]))
    return machine
