"""Access to the machine of a check or a watch: this machine, or another one over SSH."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from lab.endpoint.endpoint import Account
from lab.endpoint.ssh import Shell
from lab.foundation import process
from lab.foundation.home import PROVISION
from lab.foundation.work import Work
from lab.remote_check.program import HostProgram

LOOK_BOUND_S = 120.0
"""Timeout of look.sh: a tenth of a second; a second on an emulated machine, half a minute when that is busy."""

SILENCE_S = 120.0
"""Timeout without output: a trial takes eleven seconds at most, unloading modules ten, loading them as long on a busy
emulated machine."""


class Reach(Protocol):
    """Access to a machine."""

    def look(self, modules: Sequence[str]) -> str:
        """Return the output of provision/check/look.sh about the machine and these modules.

        Raises:
            BrokenEnvironment: it could not be run.
        """

    def read(self, path: str) -> bytes | None:
        """Return a file that every user may read; None if there is none."""

    def run(
        self, program: HostProgram, built: Path, arguments: Sequence[str], *, sudo: bool
    ) -> AbstractContextManager[io.RawIOBase]:
        """Run a program there, and yield its output as a stream. It ends when this process does, for any reason.

        Raises:
            BrokenEnvironment: it failed, or could not be run.
            Cancelled: the work was cancelled.
        """


class Here:
    """This machine.

    Args:
        work: Its cancellation ends what is running.
    """

    def __init__(self, work: Work) -> None:
        self._work = work

    def look(self, modules: Sequence[str]) -> str:
        """See Reach."""
        return process.output_of(["sh", _script("look.sh"), *modules], bound_s=LOOK_BOUND_S)

    def read(self, path: str) -> bytes | None:
        """See Reach."""
        try:
            return Path(path).read_bytes()
        except OSError:
            return None

    @contextmanager
    def run(
        self,
        program: HostProgram,  # noqa: ARG002  its name matters only where it is sent
        built: Path,
        arguments: Sequence[str],
        *,
        sudo: bool,
    ) -> Iterator[io.RawIOBase]:
        """See Reach."""
        command: list[str | Path] = [*_by_sudo(sudo=sudo), built, *arguments]
        with process.stream(command, work=self._work, silence_s=SILENCE_S) as printed:
            yield printed


class There:
    """Another machine.

    Args:
        shell: A connection to it.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def look(self, modules: Sequence[str]) -> str:
        """See Reach."""
        script = _script("look.sh").read_text(encoding="utf-8")
        return self._shell.ask(["sh", "-c", script, "look.sh", *modules], bound_s=LOOK_BOUND_S)

    def read(self, path: str) -> bytes | None:
        """See Reach."""
        done = self._shell.run(["cat", path])
        return done.stdout if done.status == 0 else None

    @contextmanager
    def run(self, program: HostProgram, built: Path, arguments: Sequence[str], *, sudo: bool) -> Iterator[io.RawIOBase]:
        """See Reach: the program is sent over the connection, and removes its own file there."""
        content = built.read_bytes()
        script = _script("receive.sh").read_text(encoding="utf-8")
        command = [*_by_sudo(sudo=sudo), "sh", "-c", script, "receive.sh", program.name, str(len(content))]
        command += arguments
        with self._shell.stream(command, silence_s=SILENCE_S, given=content) as printed:
            yield printed


def _script(name: str) -> Path:
    return PROVISION / "check" / name


@contextmanager
def reached(account: Account | None, work: Work) -> Iterator[Reach]:
    """Yield the access to a machine; that over SSH ends with the context.

    Args:
        account: The machine; None for this one.
        work: Reports the login.

    Raises:
        BrokenEnvironment: the machine refuses the login.
    """
    if account is None:
        yield Here(work)
        return
    with ExitStack() as stack:
        with work.step("logging in", account.machine):
            shell = stack.enter_context(Shell(account, work))
        yield There(shell)


def _by_sudo(*, sudo: bool) -> list[str]:
    """Return the prefix for sudo, which never asks for a password because no user is there to enter one."""
    return ["sudo", "-n"] if sudo else []
