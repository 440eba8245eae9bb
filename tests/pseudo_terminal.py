"""A pseudo-terminal that runs a lab command: its output is read and keys are typed."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import ioctl

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class PseudoTerminal:
    """A command and its terminal."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.shown = ""
        self._master = master
        self._read_to = 0

    def expect(self, pattern: str, bound_s: float = 60.0) -> re.Match[str]:
        """Wait until new output matches; earlier matches are consumed."""
        deadline = time.monotonic() + bound_s
        while True:
            if match := re.compile(pattern).search(self.shown, self._read_to):
                self._read_to = match.end()
                return match
            assert time.monotonic() < deadline, f"'{pattern}' was not shown: {self.shown[self._read_to :][-3000:]}"
            assert self._more(), f"it ended before '{pattern}': {self.shown[self._read_to :][-3000:]}"

    def type(self, keys: str) -> None:
        """Type keys."""
        os.write(self._master, keys.encode())

    def end(self, bound_s: float = 60.0) -> int:
        """Wait until the command has ended and return its exit status."""
        deadline = time.monotonic() + bound_s
        while self._more():
            assert time.monotonic() < deadline, f"it did not end: {self.shown[-3000:]}"
        return self.process.wait(bound_s)

    def _more(self) -> bool:
        """Read available output; return False when the command has ended and all is read."""
        if not select.select([self._master], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self.shown += _CODES.sub("", data.decode(errors="replace")).replace("\r", "")
        return bool(data)


@contextmanager
def lab_on_a_terminal(
    environment: Mapping[str, str], *arguments: str, columns: int = 100, rows: int = 40
) -> Iterator[PseudoTerminal]:
    """Run a lab command on a new terminal; end it at the latest when the context is left."""
    # The terminal size is fixed here, whatever terminal runs the tests.
    inherited = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments],
        env={**inherited, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        # A controlling terminal, so that Ctrl-C works as for a user.
        preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  there are no threads
    )
    os.close(slave)
    try:
        yield PseudoTerminal(process, master)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        os.close(master)
