"""An SSH server on this host whose commands a test answers, or this host's shell runs: a real connection, no guest."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO

import paramiko
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from lab.endpoint.endpoint import Endpoint
from lab.foundation import keys

Answer = tuple[int, bytes, bytes]
"""Exit status, standard output, standard error."""

REPLY_S = 0.1
"""Time for paramiko to reply to a request."""

PIECE_BYTES = 1 << 15

Handler = Callable[[paramiko.Channel, str], None]
"""Runs a command, and sends what it prints and its exit status."""


class _Server(paramiko.ServerInterface):
    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def get_allowed_auths(self, _username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, _username: str, _key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, _kind: str, _number: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        # After the reply to this request, which paramiko sends when this returns.
        threading.Timer(REPLY_S, self._handler, args=(channel, command.decode())).start()
        return True


def serving(directory: Path, machine: str, answer: Callable[[str], Answer]) -> AbstractContextManager[Endpoint]:
    """Serve a machine's commands in this context, and yield its endpoint.

    Args:
        directory: Where the keys are made.
        machine: The machine's name.
        answer: Returns what a command, as the machine's shell would get it, results in.
    """

    def handle(channel: paramiko.Channel, command: str) -> None:
        status, out, err = answer(command)
        channel.sendall(out)
        _end(channel, status, err)

    return _serving(directory, machine, handle)


def serving_shell(directory: Path, machine: str, shell: Sequence[str | Path]) -> AbstractContextManager[Endpoint]:
    """Run a machine's commands on this host in this context, and yield its endpoint.

    Args:
        directory: Where the keys are made.
        machine: The machine's name.
        shell: The program that runs a command, which is its last argument.
    """

    def handle(channel: paramiko.Channel, command: str) -> None:
        pipe = subprocess.PIPE
        with subprocess.Popen([*shell, command], stdin=pipe, stdout=pipe, stderr=pipe) as process:
            assert process.stdin
            assert process.stdout
            assert process.stderr
            threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True).start()
            while piece := os.read(process.stdout.fileno(), PIECE_BYTES):
                channel.sendall(piece)
            errors = process.stderr.read()
        _end(channel, process.returncode, errors)

    return _serving(directory, machine, handle)


def _feed(channel: paramiko.Channel, program: IO[bytes]) -> None:
    """Pass on what a client sends, until it has no more or the program reads no more."""
    with suppress(OSError, ValueError), program:
        while piece := channel.recv(PIECE_BYTES):
            program.write(piece)
            program.flush()


def _end(channel: paramiko.Channel, status: int, errors: bytes) -> None:
    channel.sendall_stderr(errors)
    channel.send_exit_status(status)
    channel.close()


@contextmanager
def _serving(directory: Path, machine: str, handler: Handler) -> Iterator[Endpoint]:
    login, host = keys.ensure(directory / "login"), keys.ensure(directory / "host")
    transports: list[paramiko.Transport] = []

    def accept(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transports.append(transport)
            transport.add_server_key(paramiko.ECDSAKey.from_private_key_file(str(host.private)))
            transport.start_server(server=_Server(handler))

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, args=(server,), daemon=True).start()
        yield Endpoint(machine, "127.0.0.1", server.getsockname()[1], "root", login.private, host.public)
        server.shutdown(socket.SHUT_RDWR)
    for transport in transports:
        transport.close()
