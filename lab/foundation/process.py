"""The only module that runs other programs on the host."""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lab.foundation import distribution
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.later import Later
from lab.foundation.work import PAUSE_S, Work

if TYPE_CHECKING:
    import psutil
    from _typeshed import WriteableBuffer
else:
    psutil = Later("psutil")

_started: dict[int, subprocess.Popen[bytes]] = {}
"""Programs started by this process, whose state is known directly; a new program's arguments are not visible yet."""

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""Terminal escape sequences; text before a carriage return is for terminals only, too."""

PIECE_BYTES = 4096
"""Size of reads from a program's output."""

END_BOUND_S = 15.0
"""How long a program may take to restore its changes after its output was closed."""

STOP_BOUND_S = 5.0
"""How long a program may take to end after SIGTERM before it is killed."""


def find(program: str) -> str | None:
    """Return a program's path, also searching the system's directories (an ordinary user's PATH omits sbin)."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(program, path=f"{path}:/usr/local/sbin:/usr/sbin:/sbin")


def require(program: str, package: str) -> str:
    """Return a program's path.

    Args:
        program: Its name.
        package: Debian's package that has it.

    Raises:
        BrokenEnvironment: it is not installed; the hint says how it is installed on this host.
    """
    path = find(program)
    if path is None:
        raise BrokenEnvironment(f"{program} is not installed", hint=distribution.hint(package))
    return path


def run(  # noqa: PLR0913  the parameters of a program's run, all by name
    argv: Sequence[str | Path],
    *,
    work: Work,
    log: Path,
    bound_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    tidy_s: float = 0.0,
) -> None:
    """Run a program to its end in a separate process group, with its output appended to `log`.

    Args:
        argv: The program and its arguments; never passed through a shell.
        work: Its cancellation ends the program.
        log: File for the program's output, whose last lines are part of the error.
        bound_s: Timeout in seconds.
        cwd: Working directory.
        env: Variables to add to the environment.
        tidy_s: How long it may clean up after SIGINT, before it is ended like any other program.

    Raises:
        BrokenEnvironment: it could not start, failed, or timed out.
        Cancelled: the work was cancelled; the program and its children are gone.
    """
    name = Path(argv[0]).name
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = _spawn(argv, output=output.fileno(), cwd=cwd, env=env)
        try:
            status = work.wait_until(lambda: _ended(process), bound_s)
        finally:
            if process.poll() is None:
                _end_group(process, tidy_s)
    if status is None:
        raise BrokenEnvironment(f"{name} did not end within {bound_s:.0f} s", hint=last_lines(log), evidence=log)
    if process.returncode != 0:
        raise BrokenEnvironment(
            f"{name} failed with exit status {process.returncode}", hint=last_lines(log), evidence=log
        )


def output_of(
    argv: Sequence[str | Path],
    *,
    bound_s: float = 10.0,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a short program and return its output.

    Args:
        argv: The program and its arguments; never passed through a shell.
        bound_s: Timeout in seconds.
        cwd: Working directory.
        env: Variables to add to the environment.

    Raises:
        BrokenEnvironment: it could not start, failed, or timed out.
    """
    name = Path(argv[0]).name
    try:
        done = subprocess.run(  # noqa: S603  argv, no shell
            [str(part) for part in argv],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=bound_s,
            check=False,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrokenEnvironment(f"{name} could not be run: {error}") from error
    if done.returncode != 0:
        raise BrokenEnvironment(f"{name} failed with exit status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def stream(argv: Sequence[str | Path], *, work: Work, silence_s: float) -> Iterator[io.RawIOBase]:
    """Run a program that must succeed, and yield its output as a stream.

    Its standard input ends when this process does, so that it can detect that its output is no longer read.

    Args:
        argv: The program and its arguments; never passed through a shell.
        work: Its cancellation ends the program.
        silence_s: Longest time without output, in seconds.

    Raises:
        BrokenEnvironment: it could not start, failed (the message contains the end of its output), or timed out.
        Cancelled: the work was cancelled; the program's pipes were closed.
    """
    name = Path(argv[0]).name
    with tempfile.TemporaryFile() as errors:
        process = _spawn(argv, output=subprocess.PIPE, errors=errors.fileno(), given=subprocess.PIPE)
        try:
            printed = _ProgramOutput(process, work, silence_s)
            yield printed
            while printed.read(PIECE_BYTES):
                pass
            status = process.wait(STOP_BOUND_S)
        except (BrokenEnvironment, subprocess.TimeoutExpired) as error:
            errors.seek(0)
            message = _last_output(errors.read().decode(errors="replace"))
            why = error.message if isinstance(error, BrokenEnvironment) else "it does not end"
            raise BrokenEnvironment(f"{name}: {why}", hint=message) from error
        finally:
            _let_end(process)
        if status != 0:
            errors.seek(0)
            message = _last_output(errors.read().decode(errors="replace"))
            raise BrokenEnvironment(f"{name} failed with exit status {status}", hint=message)


class _ProgramOutput(io.RawIOBase):
    """A program's output as a stream."""

    def __init__(self, process: subprocess.Popen[bytes], work: Work, silence_s: float) -> None:
        self._process = process
        self._work = work
        self._silence_s = silence_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        buffer = memoryview(buffer)
        output = self._process.stdout
        if output is None or self._work.wait_until(lambda: _is_ready(output), self._silence_s, pause_s=0) is None:
            raise BrokenEnvironment(f"no output for {self._silence_s:.0f} s")
        got = os.read(output.fileno(), len(buffer))
        buffer[: len(got)] = got
        return len(got)


def _is_ready(output: IO[bytes]) -> bool:
    return bool(select.select([output], [], [], PAUSE_S)[0])


def _let_end(process: subprocess.Popen[bytes]) -> None:
    """Close a program's pipes, and end it if it does not end by itself."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(END_BOUND_S)
    except subprocess.TimeoutExpired:
        _end_group(process, 0.0)


def start(argv: Sequence[str | Path], *, log: Path, cwd: Path) -> int:
    """Start a program that outlives this one, and return its process id.

    Raises:
        BrokenEnvironment: it could not start.
    """
    with log.open("wb") as output:
        process = _spawn(argv, output=output.fileno(), cwd=cwd, env=None)
    _started[process.pid] = process
    return process.pid


@contextmanager
def watched(argv: Sequence[str | Path]) -> Iterator[None]:
    """Run a program whose standard input ends when the block or this process ends.

    Raises:
        BrokenEnvironment: it could not start.
    """
    try:
        process = subprocess.Popen(  # noqa: S603  argv, no shell
            [str(part) for part in argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise BrokenEnvironment(f"{argv[0]} could not be run: {error}") from error
    try:
        yield
    finally:
        process.communicate()


def in_foreground(argv: Sequence[str | Path], *, to_errors: bool = False) -> int:
    """Run a program on the user's own terminal and return its exit status.

    Args:
        argv: The program and its arguments; never passed through a shell.
        to_errors: Whether what it prints goes to standard error, as standard output is for the lab's result.

    Raises:
        BrokenEnvironment: it could not start.
    """
    try:
        return subprocess.call([str(part) for part in argv], stdout=2 if to_errors else None)  # noqa: S603  argv, no shell
    except OSError as error:
        raise BrokenEnvironment(f"{argv[0]} could not be run: {error}") from error


def is_running(pid: int, argument: str) -> bool:
    """Return whether the process is alive and was started with `argument`, which excludes a reused process id."""
    child = _started.get(pid)
    if child is not None:
        return child.poll() is None
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and argument in process.cmdline()
    except psutil.Error:
        return False


def stop(pid: int, argument: str) -> None:
    """End a process started by `start`, here or in an earlier command: SIGTERM, then SIGKILL; no-op if it is gone.

    Raises:
        BrokenEnvironment: SIGKILL did not end it, as when it hangs in the kernel.
    """
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not is_running(pid, argument):
            break
        with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            process = psutil.Process(pid)
            process.send_signal(sign)
            process.wait(STOP_BOUND_S)
    else:
        if is_running(pid, argument):
            raise BrokenEnvironment(f"process {pid} cannot be ended: it hangs in the kernel")
    _started.pop(pid, None)


def last_lines(log: Path, count: int = 5) -> str | None:
    """Return the end of a log in one line, for an error's hint."""
    try:
        return _last_output(log.read_text(errors="replace"), count)
    except OSError:
        return None


def _last_output(text: str, count: int = 5) -> str | None:
    lines = text.split("\n")
    plain = (_ESCAPES.sub("", line.rstrip("\r").rsplit("\r")[-1]).strip() for line in lines)
    # Several of its processes may print the same line.
    last = list(dict.fromkeys(line for line in plain if line))[-count:]
    return "its output: " + " | ".join(last) if last else None


def _spawn(  # noqa: PLR0913  as for run
    argv: Sequence[str | Path],
    *,
    output: int,
    errors: int = subprocess.STDOUT,
    given: int = subprocess.DEVNULL,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603  argv, no shell
            [str(part) for part in argv],
            stdin=given,
            stdout=output,
            stderr=errors,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    except OSError as error:
        raise BrokenEnvironment(f"{argv[0]} could not be run: {error}") from error


def _ended(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


def _end_group(process: subprocess.Popen[bytes], tidy_s: float) -> None:
    steps = [(signal.SIGINT, tidy_s)] if tidy_s else []
    for sign, bound_s in [*steps, (signal.SIGTERM, STOP_BOUND_S), (signal.SIGKILL, STOP_BOUND_S)]:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(bound_s)
            return
