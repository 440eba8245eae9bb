"""QEMU's monitor: one JSON object a line, over a UNIX socket in the machine's directory.

The package qemu.qmp is asyncio, which the lab does not use otherwise; half a dozen commands do not justify it.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.foundation.errors import BrokenEnvironment

SOCKET = "monitor"
"""Socket name in the machine's directory, QEMU's working directory: a full path may be too long for an address."""

ARGUMENTS = ("-qmp", f"unix:{SOCKET},server=on,wait=off")
"""QEMU arguments that create the monitor."""

ANSWER_BOUND_S = 5.0
"""Timeout for an answer, which takes milliseconds unless QEMU hangs."""


class Monitor:
    """A connection to a QEMU monitor, which accepts one at a time; use it in a `with` statement.

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
            self._read()  # QEMU's greeting: its version
            self.ask("qmp_capabilities")
        except (OSError, ValueError, BrokenEnvironment) as error:
            self._socket.close()
            raise BrokenEnvironment(f"QEMU's monitor does not answer: {error}") from error

    def ask(self, command: str, **arguments: object) -> Any:  # noqa: ANN401  as for json.loads
        """Execute a QMP command and return its result.

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
            while "event" in answer:  # asynchronous events may come first
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
        """Close the connection: QEMU accepts only one."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
