"""How a check reaches its machine: the one at hand, or another over SSH."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from lab import process
from lab.home import PROVISION
from lab.ssh import Shell
from lab.work import Work

LOOK_BOUND_S = 120.0
"""For look.sh: a tenth of a second; a second on a machine that is emulated, and half a minute when that is busy."""

SILENCE_S = 120.0
"""How long the program may say nothing: a trial takes eleven seconds at most, unloading modules ten, loading them as
long on a machine that is emulated and busy."""


class Reach(Protocol):
    """A way to a machine."""

    def look(self, modules: Sequence[str]) -> str:
        """Give what provision/check/look.sh says there of itself and of these modules.

        Raises:
            BrokenEnvironment: it could not be run.
        """

    def trials(self, program: Path, arguments: Sequence[str], *, sudo: bool) -> AbstractContextManager[io.RawIOBase]:
        """Run the program there, and give what it prints. It ends when we do, whatever ends us.

        Raises:
            BrokenEnvironment: it failed, or could not be run.
            Cancelled: the work was cancelled.
        """


class Here:
    """The machine at hand.

    Args:
        work: Whose cancellation ends what runs.
    """

    def __init__(self, work: Work) -> None:
        self._work = work

    def look(self, modules: Sequence[str]) -> str:
        """See Reach."""
        return process.output_of(["sh", _script("look.sh"), *modules], bound_s=LOOK_BOUND_S)

    @contextmanager
    def trials(self, program: Path, arguments: Sequence[str], *, sudo: bool) -> Iterator[io.RawIOBase]:
        """See Reach."""
        command: list[str | Path] = [*_by_sudo(sudo=sudo), program, *arguments]
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

    @contextmanager
    def trials(self, program: Path, arguments: Sequence[str], *, sudo: bool) -> Iterator[io.RawIOBase]:
        """See Reach: the program goes through the connection itself, and removes its own file there."""
        content = program.read_bytes()
        script = _script("receive.sh").read_text(encoding="utf-8")
        command = [*_by_sudo(sudo=sudo), "sh", "-c", script, "receive.sh", str(len(content)), *arguments]
        with self._shell.stream(command, silence_s=SILENCE_S, given=content) as printed:
            yield printed


def _script(name: str) -> Path:
    return PROVISION / "check" / name


def _by_sudo(*, sudo: bool) -> list[str]:
    """Never with a password: there is nobody to type it."""
    return ["sudo", "-n"] if sudo else []
