"""The only module that uses SSH: a connection to a machine, reused for all commands."""

from __future__ import annotations

import base64
import contextlib
import io
import logging
import math
import shlex
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from lab.endpoint import disk, kept
from lab.endpoint.endpoint import Account, Endpoint
from lab.foundation.errors import BrokenEnvironment, Cancelled, LabError
from lab.foundation.later import Later
from lab.foundation.work import PAUSE_S, Work

if TYPE_CHECKING:
    import fabric
    import invoke.exceptions
    import paramiko
    from _typeshed import WriteableBuffer
    from invoke.runners import Promise
else:
    fabric, invoke, paramiko = map(Later, ("fabric", "invoke", "paramiko"))

T = TypeVar("T")

# Paramiko's log messages are raised as errors as well; do not print them.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

LOGIN_BOUND_S = 30.0
"""Timeout for connecting and for logging in; a second or two under emulation."""

ANSWER_PAUSE_S = 0.005
"""Interval for checking whether a command has ended; the shortest command takes a tenth of a second."""

PIECE_BYTES = 4096
"""Size of reads from a program's output, and of the part kept of its standard error."""

ANSWER_BOUND_S = 1.0
"""Timeout for the greeting of a running server."""

KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")
"""sshd(8): host keys known to all users of this machine, besides each user's own."""

COMMAND_BOUND_S = 180.0
"""Default timeout of a command: a second or two at rest, over a minute in an emulated guest on a busy host."""

DISK_BOUND_S = 10.0
"""Timeout for looking at a machine's free space."""


class ProgramFailedError(BrokenEnvironment):
    """A program in a machine failed; the machine itself answers."""


@dataclass(frozen=True)
class Output:
    """Exit status and output of a command in a machine."""

    status: int
    stdout: bytes
    stderr: str


class Shell:
    """A connection to a machine; use it in a `with` statement.

    Args:
        endpoint: Address and login of a machine of the lab or of the user.
        work: Its cancellation ends the running command.

    Raises:
        BrokenEnvironment: the server does not answer, rejects the login, or has another host key.
    """

    def __init__(self, endpoint: Endpoint | Account, work: Work) -> None:
        self._endpoint = endpoint
        self._work = work
        self._connection = self._guarded(lambda: _to(endpoint), "read the configuration")
        self._guarded(self._connection.open, "log in")

    def run(self, argv: Sequence[str], *, bound_s: float = COMMAND_BOUND_S, tidying: bool = False) -> Output:
        """Run a program in the machine and return its output, whatever its exit status.

        Args:
            argv: The program and its arguments; quoted here for the machine's shell.
            bound_s: Timeout in seconds.
            tidying: Whether it restores something, and therefore runs even after cancellation.

        Raises:
            BrokenEnvironment: the connection broke, or the command timed out.
            Cancelled: the work was cancelled; the program may continue to run.
        """
        command = shlex.join(argv)
        what = f"run {PurePosixPath(argv[0]).name}"
        # latin-1 maps every byte: the output may be an archive.
        promise = self._guarded(
            lambda: self._connection.run(command, asynchronous=True, warn=True, encoding="latin-1", timeout=bound_s),
            what,
        )
        if not tidying:
            self._await(promise)
        result = self._guarded(promise.join, what)
        if result.exited < 0:
            raise self._broken(what, "the connection was closed")
        stderr = result.stderr.encode("latin-1").decode(errors="replace")
        return Output(result.exited, result.stdout.encode("latin-1"), stderr)

    def _await(self, promise: Promise) -> None:
        """Wait for a command's end or timeout, checking for cancellation."""
        try:
            self._work.wait_until(lambda: promise.runner.process_is_finished, math.inf, pause_s=ANSWER_PAUSE_S)
        except Cancelled:
            promise.runner.kill()
            with contextlib.suppress(Exception):
                promise.join()
            raise

    @contextmanager
    def stream(self, argv: Sequence[str], *, silence_s: float, given: bytes | None = None) -> Iterator[io.RawIOBase]:
        """Run a program that must succeed, and yield its output as a stream.

        Args:
            argv: The program and its arguments; quoted here for the machine's shell.
            silence_s: Longest time without output, in seconds.
            given: Its standard input, which stays open until the connection ends.

        Raises:
            BrokenEnvironment: it failed (the message contains the end of its output), the connection broke, or it timed
                out.
            Cancelled: the work was cancelled; the program continues until its next output.
        """
        what = f"run {PurePosixPath(argv[0]).name}"
        channel = self._guarded(self._connection.transport.open_session, what)
        with channel:
            self._guarded(lambda: channel.exec_command(shlex.join(argv)), what)
            if given:
                channel.settimeout(COMMAND_BOUND_S)
                self._guarded(lambda: channel.sendall(given), what)
            printed = _OutputStream(channel, self._work, silence_s)
            try:
                yield printed
                while printed.read(PIECE_BYTES):
                    pass
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise self._broken(what, _reason(error)) from error
            except BrokenEnvironment:
                # The reader rejected its output; if the program failed, its own error is more useful.
                self._require_success(argv, channel, printed)
                raise
            self._require_success(argv, channel, printed)

    def _require_success(self, argv: Sequence[str], channel: paramiko.Channel, printed: _OutputStream) -> None:
        ended = channel.status_event.wait(ANSWER_BOUND_S)
        if not ended or channel.recv_exit_status() < 0:
            raise self._broken(f"run {PurePosixPath(argv[0]).name}", "the connection was closed")
        status = channel.recv_exit_status()
        if status != 0:
            raise self.failed(argv, Output(status, b"", printed.errors().decode(errors="replace")))

    def ask(self, argv: Sequence[str], *, bound_s: float = COMMAND_BOUND_S) -> str:
        """Run a program that must succeed, and return its output.

        Raises:
            BrokenEnvironment: it failed (the message has the end of its output), timed out, or the connection broke.
        """
        output = self.run(argv, bound_s=bound_s)
        if output.status != 0:
            raise self.failed(argv, output)
        return output.stdout.decode(errors="replace")

    def remark(self, text: str) -> None:
        """Report a note about the machine."""
        self._work.note(text, self._endpoint.machine)

    def failed(self, argv: Sequence[str], output: Output) -> ProgramFailedError:
        """Return the error for a failed program: the machine's full disk, or the end of the program's output."""
        name = self._endpoint.machine
        if full := self._full():
            return ProgramFailedError(
                f"{name}: its disk is full ({', '.join(full)}), so that {_quoted(argv)} failed",
                hint=f"make room (lab ssh {name} -- df -h), or recreate it: lab destroy {name} && lab up {name}",
            )
        printed = output.stderr.strip() or output.stdout.decode(errors="replace").strip()
        return ProgramFailedError(
            f"{name}: {_quoted(argv)} failed with exit status {output.status}",
            hint="its output: " + " | ".join(list(dict.fromkeys(printed.splitlines()))[-5:]) if printed else None,
        )

    def _full(self) -> Sequence[str]:
        """Return the full file systems of a machine of the lab's; none where the machine cannot be asked."""
        if isinstance(self._endpoint, Account):
            return ()
        with contextlib.suppress(LabError):
            looked = self.run(disk.LOOK, bound_s=DISK_BOUND_S, tidying=True)
            return disk.full(looked.stdout.decode(errors="replace"))
        return ()

    def put(self, content: bytes, path: str) -> None:
        """Write a file in the machine.

        Raises:
            BrokenEnvironment: the connection broke.
        """

        def write() -> None:
            self._connection.sftp().get_channel().settimeout(COMMAND_BOUND_S)
            self._connection.put(io.BytesIO(content), path)

        self._guarded(write, f"write {path}")

    def answers(self) -> bool:
        """Return whether the machine's SSH server answers, without logging in."""
        return answers(self._connection.host, self._connection.port)

    def reopen(self) -> None:
        """Log in again, after a reboot of the machine.

        Raises:
            BrokenEnvironment: the server does not answer, rejects the login, or has another host key.
        """
        self._connection.close()
        self._guarded(self._connection.open, "log in")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _guarded(self, do: Callable[[], T], what: str) -> T:
        try:
            return do()
        except invoke.exceptions.CommandTimedOut as error:
            raise self._broken(what, f"no answer within {error.timeout:.0f} s") from error
        except (OSError, EOFError, paramiko.SSHException, invoke.exceptions.ThreadException) as error:
            raise self._broken(what, _reason(error)) from error

    def _broken(self, what: str, why: str) -> BrokenEnvironment:
        name = self._endpoint.machine
        return BrokenEnvironment(f"{name}: could not {what} over SSH: {why}", hint=_advice(self._endpoint, why))


def _reason(error: Exception) -> str:
    """Return what an error says, without the number that the operating system gives it."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _to(endpoint: Endpoint | Account) -> fabric.Connection:
    return _to_account(endpoint) if isinstance(endpoint, Account) else _to_guest(endpoint)


def _to_guest(endpoint: Endpoint) -> fabric.Connection:
    """Make a connection to a machine of the lab's: nothing of the user's own SSH configuration or keys has a say."""
    connection = _connection(
        endpoint.host,
        user=endpoint.user,
        port=endpoint.port,
        config=fabric.Config(overrides={"load_ssh_configs": False}, lazy=True),
        keys={"key_filename": str(endpoint.key_file), "allow_agent": False, "look_for_keys": False},
    )
    kind, blob = endpoint.host_key.split()[:2]
    key = paramiko.ECDSAKey(data=base64.b64decode(blob))
    connection.client.get_host_keys().add(f"[{endpoint.host}]:{endpoint.port}", kind, key)
    return connection


def _to_account(account: Account) -> fabric.Connection:
    """Make a connection to a machine of the user's: as ssh(1) would, but that no unknown host key is ever taken."""
    keys = {"key_filename": str(account.key_file), "look_for_keys": False} if account.key_file else {}
    connection = _connection(account.host, user=account.user, port=account.port, config=fabric.Config(), keys=keys)
    connection.client.load_system_host_keys()
    if KNOWN_HOSTS.exists():
        connection.client.load_system_host_keys(str(KNOWN_HOSTS))
    return connection


def _connection(
    host: str, *, user: str | None, port: int | None, config: fabric.Config, keys: Mapping[str, object]
) -> fabric.Connection:
    bounds = {
        "banner_timeout": LOGIN_BOUND_S,
        "auth_timeout": LOGIN_BOUND_S,
        # The default timeout for a machine that hangs after the login is an hour.
        "channel_timeout": LOGIN_BOUND_S,
    }
    connection = fabric.Connection(
        host,
        user=user,
        port=port,
        connect_timeout=int(LOGIN_BOUND_S),
        config=config,
        connect_kwargs={**keys, **bounds},
    )
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    return connection


def _advice(endpoint: Endpoint | Account, why: str) -> str:
    name = endpoint.machine
    if isinstance(endpoint, Endpoint):
        return f"check its state: lab status; recreate it: lab destroy {name} && lab up {name}"
    port = f"-p {endpoint.port} " if endpoint.port else ""
    by_hand = f"ssh {port}{name}"
    if "not found in known_hosts" in why:
        return f"log in once by hand and compare the key shown with the machine's own: {by_hand}"
    if "does not match" in why:
        return "its key differs from the one in your known_hosts: find out why before you log in"
    if "uthentication" in why or "passphrase" in why or "private key" in why:
        return f"give a key with -i, or add it to your agent (ssh-add), so that this needs no password: {by_hand}"
    return f"try it by hand: {by_hand}"


def _quoted(argv: Sequence[str]) -> str:
    """Return a command for an error message, without multi-line scripts."""
    return " ".join("..." if "\n" in part else shlex.quote(part) for part in argv)


class _OutputStream(io.RawIOBase):
    """A program's output as a stream; the end of its standard error is kept separately."""

    def __init__(self, channel: paramiko.Channel, work: Work, silence_s: float) -> None:
        self._channel = channel
        self._work = work
        self._silence_s = silence_s
        self._errors = b""
        channel.settimeout(PAUSE_S)

    def readable(self) -> bool:
        return True

    def errors(self) -> bytes:
        """Return the end of the program's standard error."""
        while self._channel.recv_stderr_ready():
            self._errors = (self._errors + self._channel.recv_stderr(PIECE_BYTES))[-PIECE_BYTES:]
        return self._errors

    def readinto(self, buffer: WriteableBuffer) -> int:
        buffer = memoryview(buffer)
        deadline = time.monotonic() + self._silence_s
        while True:
            self._work.check()
            self.errors()  # drain it, so that the program never blocks on it
            try:
                got = self._channel.recv(len(buffer))
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise OSError(f"no output for {self._silence_s:.0f} s") from None
                continue
            buffer[: len(got)] = got
            return len(got)


def answers(host: str, port: int, bound_s: float = ANSWER_BOUND_S) -> bool:
    """Return whether an SSH server answers on a port in time; the server speaks first (RFC 4253, section 4.2)."""
    try:
        with socket.create_connection((host, port), timeout=bound_s) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def command_line(endpoint: Endpoint, known_hosts: Path, command: Sequence[str], *, keep: bool = False) -> list[str]:
    """Return the arguments of the system's ssh that log in to a machine as the lab does.

    Args:
        endpoint: Address and login.
        known_hosts: A file in the machine's directory, into which the caller writes the endpoint's host key.
        command: What to run: one part is a line for the machine's shell, several are a program and its arguments; empty
            for an interactive shell.
        keep: Whether to use the connection that is kept, or to keep this one for the next command.
    """
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        **(kept.options(endpoint, known_hosts.parent) if keep else {}),
    }
    flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    line = [command[0] if len(command) == 1 else shlex.join(command)] if command else []
    target = f"{endpoint.user}@{endpoint.host}"
    where = ["-F", "none", "-i", str(endpoint.key_file), "-p", str(endpoint.port)]
    return ["ssh", *where, *flags, target, *line]
