"""The connection that `lab ssh` keeps: where its socket lies, and what is left of one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lab.endpoint import kept
from lab.endpoint.endpoint import Endpoint
from lab.endpoint.ssh import command_line

ENDPOINT = Endpoint("old", "127.0.0.1", 2222, "root", Path("/home/me/keys/login"), "ecdsa-sha2-nistp256 AAAA")


def test_only_lab_ssh_keeps_a_connection() -> None:
    """What else uses this command line ends with its command."""
    known_hosts = Path("/home/me/.lab/machines/old/known_hosts")

    assert not any("Control" in part for part in command_line(ENDPOINT, known_hosts, ["true"]))
    assert "ControlPath=/home/me/.lab/machines/old/ssh-2222" in command_line(ENDPOINT, known_hosts, ["true"], keep=True)


@pytest.mark.parametrize(
    "directory",
    [
        f"/{'long/' * 18}",  # too long for a socket's address
        "/home/a b/old",  # two words in ssh_config(5)
        "/home/100%/old",  # a token there
        '/home/"/old',
        "/home/$HOME/old",
    ],
)
def test_no_connection_is_kept_where_ssh_would_misread_the_sockets_name(directory: str) -> None:
    """Each command logs in by itself then, as without this."""
    assert kept.options(ENDPOINT, Path(directory)) == {}


def test_a_socket_that_was_left_over_is_removed(tmp_path: Path) -> None:
    """Its ssh was killed; the machine's other files stay."""
    left = tmp_path / "ssh-2222"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(left))
    (tmp_path / "known_hosts").write_text("")
    kept.close(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["known_hosts"]
    kept.close(tmp_path / "no-machine")
