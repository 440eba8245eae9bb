"""The one module that talks SSH: a connection to a machine, reused for everything done there."""

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

import paramiko
from fabric import Connection
from fabric.config import Config
from invoke.exceptions import CommandTimedOut, ThreadException
from invoke.runners import Promise

from lab.endpoint import Account, Endpoint
from lab.errors import BrokenEnvironment, Cancelled
from lab.work import PAUSE_S, Work

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")

# What it would print is raised as an error, and told once.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

LOGIN_BOUND_S = 30.0
"""How long a server may take to answer and to let us in; a second or two under emulation."""

ANSWER_PAUSE_S = 0.005
"""Between two looks whether a command has ended: little beside the tenth of a second that the shortest one takes."""

PIECE_BYTES = 4096
"""Of what a program prints: read at once, or kept of its errors."""

ANSWER_BOUND_S = 1.0
"""How long a server that is up may take until it speaks."""

KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")
"""sshd(8): the host keys that all users of a machine know, beside each one's own."""

COMMAND_BOUND_S = 60.0
"""How long a command may take that does not say otherwise."""


@dataclass(frozen=True)
class Output:
    """What a command in a machine left: its exit status and what it printed."""

    status: int
    stdout: bytes
    stderr: str


class Shell:
    """A connection to a machine; use it in a `with` statement.

    Args:
        endpoint: Where and how to log in: to a machine of the lab's, or to one of the user's.
        work: Whose cancellation ends the command that runs.

    Raises:
        BrokenEnvironment: the server does not answer, does not let us in, or shows another host key.
    """

    def __init__(self, endpoint: Endpoint | Account, work: Work) -> None:
        self._endpoint = endpoint
        self._work = work
        self._connection = self._guarded(lambda: _to(endpoint), "read the configuration")
        self._guarded(self._connection.open, "log in")

    def run(self, argv: Sequence[str], *, bound_s: float = COMMAND_BOUND_S, tidying: bool = False) -> Output:
        """Run a program in the machine, whatever its exit status.

        Args:
            argv: The program and its arguments, quoted for the machine's shell here.
            bound_s: How long it may take, in seconds.
            tidying: It puts something back, and so runs even when the work was cancelled.

        Raises:
            BrokenEnvironment: the connection broke, or the bound passed.
            Cancelled: the work was cancelled; the program may run on.
        """
        command = shlex.join(argv)
        what = f"run {PurePosixPath(argv[0]).name}"
        # latin-1 takes every byte and gives it back: what a command prints may be an archive.
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
        """Wait for a command's end, its own bound included, in a way that can be cancelled."""
        try:
            self._work.wait_until(lambda: promise.runner.process_is_finished, math.inf, pause_s=ANSWER_PAUSE_S)
        except Cancelled:
            promise.runner.kill()
            with contextlib.suppress(Exception):
                promise.join()
            raise

    @contextmanager
    def stream(self, argv: Sequence[str], *, silence_s: float, given: bytes | None = None) -> Iterator[io.RawIOBase]:
        """Run a program that must succeed, and give what it prints as it prints it.

        Args:
            argv: The program and its arguments, quoted for the machine's shell here.
            silence_s: How long it may print nothing, in seconds.
            given: What it gets on standard input, which ends only when the connection does.

        Raises:
            BrokenEnvironment: it failed (the message has its last words), the connection broke, or it was silent for
                too long.
            Cancelled: the work was cancelled; the program runs on until it prints again.
        """
        what = f"run {PurePosixPath(argv[0]).name}"
        channel = self._guarded(self._connection.transport.open_session, what)
        with channel:
            self._guarded(lambda: channel.exec_command(shlex.join(argv)), what)
            if given:
                channel.settimeout(COMMAND_BOUND_S)
                self._guarded(lambda: channel.sendall(given), what)
            printed = _Printed(channel, self._work, silence_s)
            try:
                yield printed
                while printed.read(PIECE_BYTES):
                    pass
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise self._broken(what, str(error) or type(error).__name__) from error
            except BrokenEnvironment:
                # What it printed makes no sense; when it failed, why it did says more.
                self._require_well(argv, channel, printed)
                raise
            self._require_well(argv, channel, printed)

    def _require_well(self, argv: Sequence[str], channel: paramiko.Channel, printed: _Printed) -> None:
        ended = channel.status_event.wait(ANSWER_BOUND_S)
        if not ended or channel.recv_exit_status() < 0:
            raise self._broken(f"run {PurePosixPath(argv[0]).name}", "the connection was closed")
        status = channel.recv_exit_status()
        if status != 0:
            raise self.failed(argv, Output(status, b"", printed.errors().decode(errors="replace")))

    def ask(self, argv: Sequence[str], *, bound_s: float = COMMAND_BOUND_S) -> str:
        """Run a program that must succeed, and give what it prints.

        Raises:
            BrokenEnvironment: it failed (the message has its last words), the connection broke, or the bound passed.
        """
        output = self.run(argv, bound_s=bound_s)
        if output.status != 0:
            raise self.failed(argv, output)
        return output.stdout.decode(errors="replace")

    def failed(self, argv: Sequence[str], output: Output) -> BrokenEnvironment:
        """Give the error that says of a program which ended badly how it did, with its last words."""
        said = output.stderr.strip() or output.stdout.decode(errors="replace").strip()
        return BrokenEnvironment(
            f"{self._endpoint.machine}: {_told(argv)} failed with exit status {output.status}",
            hint="it said: " + " | ".join(list(dict.fromkeys(said.splitlines()))[-5:]) if said else None,
        )

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
        """Tell whether the machine's SSH server answers at all, without logging in."""
        return answers(self._connection.host, self._connection.port)

    def reopen(self) -> None:
        """Log in anew, as after the machine was booted anew.

        Raises:
            BrokenEnvironment: the server does not answer, does not let us in, or shows another host key.
        """
        self._connection.close()
        self._guarded(self._connection.open, "log in")

    def close(self) -> None:
        """End the connection."""
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
        except CommandTimedOut as error:
            raise self._broken(what, f"no answer within {error.timeout:.0f} s") from error
        except (OSError, EOFError, paramiko.SSHException, ThreadException) as error:
            raise self._broken(what, str(error) or type(error).__name__) from error

    def _broken(self, what: str, why: str) -> BrokenEnvironment:
        name = self._endpoint.machine
        return BrokenEnvironment(f"{name}: could not {what} over SSH: {why}", hint=_advice(self._endpoint, why))


def _to(endpoint: Endpoint | Account) -> Connection:
    return _to_account(endpoint) if isinstance(endpoint, Account) else _to_guest(endpoint)


def _to_guest(endpoint: Endpoint) -> Connection:
    """Make a connection to a machine of the lab's: nothing of the user's own SSH configuration or keys has a say."""
    connection = _connection(
        endpoint.host,
        user=endpoint.user,
        port=endpoint.port,
        config=Config(overrides={"load_ssh_configs": False}, lazy=True),
        keys={"key_filename": str(endpoint.key_file), "allow_agent": False, "look_for_keys": False},
    )
    kind, blob = endpoint.host_key.split()[:2]
    key = paramiko.ECDSAKey(data=base64.b64decode(blob))
    connection.client.get_host_keys().add(f"[{endpoint.host}]:{endpoint.port}", kind, key)
    return connection


def _to_account(account: Account) -> Connection:
    """Make a connection to a machine of the user's: as ssh(1) would, but that no unknown host key is ever taken."""
    keys = {"key_filename": str(account.key_file), "look_for_keys": False} if account.key_file else {}
    connection = _connection(account.host, user=account.user, port=account.port, config=Config(), keys=keys)
    connection.client.load_system_host_keys()
    if KNOWN_HOSTS.exists():
        connection.client.load_system_host_keys(str(KNOWN_HOSTS))
    return connection


def _connection(
    host: str, *, user: str | None, port: int | None, config: Config, keys: Mapping[str, object]
) -> Connection:
    bounds = {
        "banner_timeout": LOGIN_BOUND_S,
        "auth_timeout": LOGIN_BOUND_S,
        # By default a machine that hangs after a login is waited for for an hour.
        "channel_timeout": LOGIN_BOUND_S,
    }
    connection = Connection(
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
        return f"see whether it still lives: lab status; start it afresh: lab destroy {name} && lab up {name}"
    port = f"-p {endpoint.port} " if endpoint.port else ""
    by_hand = f"ssh {port}{name}"
    if "not found in known_hosts" in why:
        return f"log in once by hand and compare the key that it shows with the machine's own: {by_hand}"
    if "does not match" in why:
        return "its key is not the one in your known_hosts: find out why before you log in to it in any way"
    if "uthentication" in why or "passphrase" in why or "private key" in why:
        return f"name a key with -i, or let your agent have it (ssh-add), so that this needs no password: {by_hand}"
    return f"try it by hand: {by_hand}"


def _told(argv: Sequence[str]) -> str:
    """Write a command for an error: whole scripts are left out."""
    return " ".join("..." if "\n" in part else shlex.quote(part) for part in argv)


class _Printed(io.RawIOBase):
    """What a program prints, as it comes; what it says on standard error is kept aside."""

    def __init__(self, channel: paramiko.Channel, work: Work, silence_s: float) -> None:
        self._channel = channel
        self._work = work
        self._silence_s = silence_s
        self._errors = b""
        channel.settimeout(PAUSE_S)

    def readable(self) -> bool:
        return True

    def errors(self) -> bytes:
        """Give the last of what the program said on standard error."""
        while self._channel.recv_stderr_ready():
            self._errors = (self._errors + self._channel.recv_stderr(PIECE_BYTES))[-PIECE_BYTES:]
        return self._errors

    def readinto(self, buffer: WriteableBuffer) -> int:
        buffer = memoryview(buffer)
        deadline = time.monotonic() + self._silence_s
        while True:
            self._work.check()
            self.errors()  # so that it never waits for us to take them
            try:
                got = self._channel.recv(len(buffer))
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise OSError(f"nothing came for {self._silence_s:.0f} s") from None
                continue
            buffer[: len(got)] = got
            return len(got)


def answers(host: str, port: int, bound_s: float = ANSWER_BOUND_S) -> bool:
    """Tell whether an SSH server answers on a port within a bound: it speaks first (RFC 4253, section 4.2)."""
    try:
        with socket.create_connection((host, port), timeout=bound_s) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def command_line(endpoint: Endpoint, known_hosts: str, command: Sequence[str]) -> list[str]:
    """Give the arguments of the system's ssh that reach a machine as the lab does.

    Args:
        endpoint: Where and how to log in.
        known_hosts: A file to be written with the endpoint's host key by the caller.
        command: What to run there; one part is a line for the machine's shell, several are a program and its
            arguments; an interactive shell for none.
    """
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
    }
    flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    line = [command[0] if len(command) == 1 else shlex.join(command)] if command else []
    target = f"{endpoint.user}@{endpoint.host}"
    where = ["-F", "none", "-i", str(endpoint.key_file), "-p", str(endpoint.port)]
    return ["ssh", *where, *flags, target, *line]
