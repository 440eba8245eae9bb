"""The lab works with a server limited to the algorithms of CentOS 7.0's OpenSSH 6.4."""

from __future__ import annotations

import json
import socket

import pytest

from tests.guest.conftest import TestLab, wait_for
from tests.kexinit import read_offer

# Of OpenSSH 6.4's myproposal.h, what the guest's sshd can still be configured to offer: no curve25519, no ed25519, no
# rsa-sha2, no chacha20.
OFFER = """
KexAlgorithms ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,\
diffie-hellman-group-exchange-sha1,diffie-hellman-group14-sha1,diffie-hellman-group1-sha1
Ciphers aes128-ctr,aes192-ctr,aes256-ctr,aes128-cbc,3des-cbc,aes256-cbc
MACs hmac-sha1-etm@openssh.com,umac-64@openssh.com,hmac-sha1,hmac-sha2-256,hmac-sha2-512
HostKeyAlgorithms ecdsa-sha2-nistp256,ssh-rsa
PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256,ssh-rsa
HostKey /etc/ssh/old_rsa_key
"""


@pytest.fixture
def old_server(fresh: TestLab) -> TestLab:
    """Return a lab with today up, whose sshd acts like CentOS 7.0's from the next connection on."""
    fresh.well("up", "today")
    fresh.ask("today", "ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/old_rsa_key")
    config, offer = "/etc/ssh/sshd_config", OFFER.replace("\\\n", "").strip()
    fresh.ask("today", f"sed -i '/^KexAlgorithms/d' {config} && printf '%s\\n' '{offer}' >>{config} && sshd -t")
    before = offered(fresh)
    # init restarts it; this connection's process stays.
    fresh.ask("today", "kill $(cat /run/sshd.pid)")
    wait_for(lambda: offered(fresh) not in (None, before))
    return fresh


def offered(lab: TestLab) -> dict[str, list[str]] | None:
    """Return the algorithms that today's sshd offers; None while it does not answer."""
    port = json.loads((lab.home / "machines" / "today" / "started.json").read_text())["port"]
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"SSH-2.0-looking\r\n")
            return read_offer(connection)
    except OSError:
        return None


def test_the_lab_works_with_a_server_of_2013(old_server: TestLab) -> None:
    """Login, commands and a file transfer, by ECDSA, to a guest without the lab's files, like a fresh box.

    What the lab offers a server is in the unit tests.
    """
    offer = offered(old_server)
    assert offer is not None
    assert "diffie-hellman-group14-sha1" in offer["key exchange"]
    names = " ".join([*offer["key exchange"], *offer["host keys"]])
    for newer in ("curve25519", "ed25519", "rsa-sha2"):
        assert newer not in names
    old_server.ask("today", "/opt/lab/guest/network.sh down && rm -r /opt/lab")
    result = old_server.well("run", "today", "-s", "nfqueue", "-n", "1", "--json")
    assert "sending the lab's sources" in result.err
    assert "building the modules and the verdict program in the guest" in result.err
    assert result.json["cells"][0]["verdict"] == "healthy"
