"""Standard output and standard error: replaces characters that cannot be encoded, and handles closed pipes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from lab.foundation.errors import BrokenEnvironment

if TYPE_CHECKING:
    from typing_extensions import Buffer

CLOSED_PIPE = 141
"""Exit status when the pipe of standard output is closed, as a shell reports SIGPIPE (128 + 13)."""


class _Descriptor(io.FileIO):
    """A descriptor that discards everything after a write has failed, so that Python's own flush at exit succeeds."""

    def write(self, data: Buffer, /) -> int:
        """Write, or end the program.

        Raises:
            SystemExit: the pipe is closed.
            BrokenEnvironment: nothing can be written, as on a full disk.
        """
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return self.lost(data, error)

    def lost(self, _data: Buffer, error: OSError) -> int:
        """End the program after a failed write."""
        if isinstance(error, BrokenPipeError):
            raise SystemExit(CLOSED_PIPE) from None
        raise BrokenEnvironment(f"the result cannot be written: {error.strerror or error}") from error


class _Optional(_Descriptor):
    """A descriptor whose errors are ignored, since progress and notes are optional."""

    def lost(self, data: Buffer, _error: OSError) -> int:
        """Ignore the failed write."""
        return memoryview(data).nbytes


def prepare() -> None:
    """Replace Python's standard output and standard error; a closed one stays as it is."""
    sys.stdout = _replaced(sys.stdout, _Descriptor)
    sys.stderr = _replaced(sys.stderr, _Optional)


def flush_or_discard() -> None:
    """Write buffered output, such as that of an interrupted write; discard it if the pipe is closed."""
    with contextlib.suppress(SystemExit, BrokenEnvironment):
        if sys.stdout is not None:
            sys.stdout.flush()


def _replaced(stream: TextIO | None, kind: type[_Descriptor]) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # type: ignore[return-value]  # None is what Python itself has for a closed one
    stream.flush()
    descriptor = kind(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(descriptor),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
