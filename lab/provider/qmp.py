"""QEMU's monitor: one JSON object a line, over a UNIX socket in the machine's directory.

Not by the package qemu.qmp: that one is asyncio, which nothing else here is, for the half dozen questions asked below.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.errors import BrokenEnvironment

SOCKET = "monitor"
"""Its name in the machine's directory, which is QEMU's own working directory: a long path would not fit an address."""

ARGUMENTS = ("-qmp", f"unix:{SOCKET},server=on,wait=off")
"""What QEMU is started with to have a monitor."""

ANSWER_BOUND_S = 5.0
"""How long QEMU may take to answer; milliseconds, unless it hangs."""


class Monitor:
    """A conversation with a machine's QEMU; use it in a `with` statement, one at a time.

    Args:
        directory: The machine's directory.

    Raises:
        BrokenEnvironment: QEMU does not answer there.
    """

    def __init__(self, directory: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_BOUND_S)
        try:
            self._connect(directory)
            self._lines = self._socket.makefile("rb")
            self._read()  # QEMU speaks first: its version
            self.ask("qmp_capabilities")
        except (OSError, ValueError, BrokenEnvironment) as error:
            self._socket.close()
            raise BrokenEnvironment(f"QEMU's monitor does not answer: {error}") from error

    def ask(self, command: str, **arguments: object) -> Any:  # noqa: ANN401  as json.loads has it
        """Have QEMU carry out a command, and give what it returns.

        Args:
            command: Its name.
            arguments: Its arguments, with `_` for each `-` in their names.

        Raises:
            BrokenEnvironment: QEMU refused, or does not answer.
        """
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        try:
            self._socket.sendall(json.dumps({"execute": command, "arguments": named}).encode() + b"\n")
            answer = self._read()
            while "event" in answer:  # told to everyone, in between
                answer = self._read()
        except (OSError, ValueError) as error:
            raise BrokenEnvironment(f"QEMU did not answer '{command}': {error}") from error
        if "error" in answer:
            raise BrokenEnvironment(f"QEMU refused '{command}': {answer['error'].get('desc')}")
        return answer["return"]

    def _connect(self, directory: Path) -> None:
        here = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._socket.connect(f"/proc/self/fd/{here}/{SOCKET}")
        finally:
            os.close(here)

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError("it closed the connection")
        return dict(json.loads(line))

    def close(self) -> None:
        """End the conversation: QEMU has one at a time."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
