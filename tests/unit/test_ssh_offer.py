"""What the lab offers an unknown SSH server, read from the wire by a listening server."""

from __future__ import annotations

import socket
import threading

import paramiko
import pytest

from lab.endpoint.endpoint import Endpoint
from lab.endpoint.ssh import Shell
from lab.foundation import keys
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from tests.kexinit import read_offer


@pytest.fixture(scope="module")
def offer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return what the lab offers a server that identifies as OpenSSH 6.4 and whose ECDSA key it knows."""
    login = keys.ensure(tmp_path_factory.mktemp("keys") / "login")
    offers: dict[str, list[str]] = {}

    def listen(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"SSH-2.0-OpenSSH_6.4\r\n")
            offers.update(read_offer(connection))

    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = threading.Thread(target=listen, args=(server,))
        listener.start()
        endpoint = Endpoint("old", "127.0.0.1", server.getsockname()[1], "root", login.private, login.public)
        with pytest.raises(BrokenEnvironment, match="old: could not log in over SSH"):
            Shell(endpoint, Work())
        listener.join()
    return offers


def test_algorithms_of_a_server_of_2013_are_offered(offer: dict[str, list[str]]) -> None:
    """Host key and key exchange that OpenSSH 6.4 has in common with today's clients."""
    assert offer["host keys"][0] == "ecdsa-sha2-nistp256"
    assert "ecdh-sha2-nistp256" in offer["key exchange"]


def test_no_sha1_signature_or_key_exchange_is_offered(offer: dict[str, list[str]]) -> None:
    """Any server could choose a weak algorithm if it were offered."""
    names = [*offer["host keys"], *offer["key exchange"]]

    assert not {"ssh-rsa", "ssh-dss"} & set(names)
    assert not [name for name in names if name.endswith("-sha1")]


def test_the_lab_offers_no_more_than_paramiko(offer: dict[str, list[str]]) -> None:
    """No list is longer than that of today's paramiko."""
    with socket.socket() as unconnected:
        own = paramiko.Transport(unconnected).get_security_options()
    extensions = {"ext-info-c", "kex-strict-c-v00@openssh.com"}

    assert {name.removesuffix("-cert-v01@openssh.com") for name in offer["host keys"]} <= set(own.key_types)
    assert set(offer["key exchange"]) - extensions <= set(own.kex)
    assert set(offer["ciphers"]) | set(offer["ciphers back"]) <= set(own.ciphers)
    assert set(offer["macs"]) | set(offer["macs back"]) <= set(own.digests)
