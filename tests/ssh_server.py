"""An SSH server on this host whose commands a test answers: the lab's real connection, without a guest."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from lab.endpoint.endpoint import Endpoint
from lab.foundation import keys

Answer = tuple[int, bytes, bytes]
"""Exit status, standard output, standard error."""

REPLY_S = 0.1
"""Time for paramiko to reply to a request."""


class _Server(paramiko.ServerInterface):
    def __init__(self, answer: Callable[[str], Answer]) -> None:
        self._answer = answer

    def get_allowed_auths(self, _username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, _username: str, _key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, _kind: str, _number: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        # After the reply to this request, which paramiko sends when this returns.
        threading.Timer(REPLY_S, self._run, args=(channel, command.decode())).start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        status, out, err = self._answer(command)
        channel.sendall(out)
        channel.sendall_stderr(err)
        channel.send_exit_status(status)
        channel.close()


@contextmanager
def serving(directory: Path, machine: str, answer: Callable[[str], Answer]) -> Iterator[Endpoint]:
    """Serve a machine's commands in this context, and yield its endpoint.

    Args:
        directory: Where the keys are made.
        machine: The machine's name.
        answer: Returns what a command, as the machine's shell would get it, results in.
    """
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
            transport.start_server(server=_Server(answer))

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, args=(server,), daemon=True).start()
        yield Endpoint(machine, "127.0.0.1", server.getsockname()[1], "root", login.private, host.public)
        server.shutdown(socket.SHUT_RDWR)
    for transport in transports:
        transport.close()
