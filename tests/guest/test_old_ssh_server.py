"""A server that offers only what OpenSSH 6.4 of CentOS 7.0 does: the lab logs in, and asks nothing weaker of others."""

from __future__ import annotations

import contextlib
import json
import re
import socket

import pytest

from tests.guest.conftest import TestLab, wait_for

# Of OpenSSH 6.4's myproposal.h, what the guest's own sshd can still be told to offer: no curve25519, no ed25519, no
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
    """Give a lab with the machine today up, whose sshd is as old as CentOS 7.0's from its next connection on."""
    fresh.well("up", "today")
    fresh.ask("today", "ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/old_rsa_key")
    configure(fresh, "/^KexAlgorithms/d", OFFER.replace("\\\n", "").strip())
    return fresh


def configure(lab: TestLab, edit: str, lines: str) -> None:
    """Change sshd's configuration in today, and wait until the new one is at work."""
    config = "/etc/ssh/sshd_config"
    lab.ask("today", f"sed -i '{edit}' {config} && printf '%s\\n' '{lines}' >>{config} && sshd -t")
    before = offered(lab)
    # init starts it anew; this connection's own process stays.
    lab.ask("today", "kill $(cat /run/sshd.pid)")
    wait_for(lambda: offered(lab) not in ("", before))


def offered(lab: TestLab) -> str:
    """Give the algorithms that today's sshd offers, which it sends in the clear (RFC 4253, section 7.1)."""
    port = json.loads((lab.home / "machines" / "today" / "started.json").read_text())["port"]
    said = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"SSH-2.0-looking\r\n")
        while more := connection.recv(4096):
            said += more
    # After the banner, four bytes of length, one of padding, the message's number and a cookie of sixteen.
    names = said.partition(b"\r\n")[2][22:]
    return re.sub(r"[^a-z0-9@.,-]+", " ", names.decode("latin-1").partition("none")[0])


def test_the_lab_works_with_a_server_of_2013_and_accepts_nothing_weaker(old_server: TestLab) -> None:
    """Login, commands and a file sent, by ECDSA; where a server has SHA-1 signatures only, it is not logged in to."""
    names = offered(old_server)
    assert "diffie-hellman-group14-sha1" in names
    for newer in ("curve25519", "ed25519", "rsa-sha2"):
        assert newer not in names
    old_server.ask("today", "rm /opt/lab/digest")
    done = old_server.well("run", "today", "-s", "nfqueue", "-n", "1", "--json")
    assert "sending the lab's sources" in done.err
    assert done.json["cells"][0]["verdict"] == "healthy"

    configure(old_server, "/^HostKeyAlgorithms/d", "HostKeyAlgorithms ssh-rsa")
    refused = old_server.run("run", "today", "-s", "nfqueue", "-n", "1")
    assert refused.status == 3
    assert "could not log in over SSH" in refused.err
