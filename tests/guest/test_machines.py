"""Life cycle of machines on the command line."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import psutil
import pytest

from lab.catalogue import find
from lab.foundation.home import MACHINES
from tests.guest.conftest import TestLab, trials_of
from tests.guest.test_lanes import sources


def test_up_a_second_time_changes_nothing(running: TestLab) -> None:
    """Users type it again to be sure."""
    before = {process.pid for process in running.guests()}
    result = running.well("up", "--json")

    assert {process.pid for process in running.guests()} == before
    assert len(before) == 3
    assert "✓" not in result.err
    assert all(machine["provisioned"] for machine in result.json["machines"].values())


def test_status_names_system_and_kernel(running: TestLab) -> None:
    """A replica is labelled as one, with its running kernel."""
    machines = running.well("status", "--json").json["machines"]

    assert {name: (one["era"], one["system"], one["replica"]) for name, one in machines.items()} == {
        "old": ("drop", "replica", True),
        "new": ("resolve", "replica", True),
        "today": ("relookup", "debian", False),
    }
    assert machines["old"]["kernel"] == running.ask("old", "uname -r").strip()


def test_ssh_returns_the_commands_output_and_exit_status(running: TestLab) -> None:
    """Arguments are passed unchanged, and scripts can rely on the status."""
    result = running.run("ssh", "old", "--", "printf", "%s|", "a b", "$HOME", "'")
    assert (result.status, result.out) == (0, "a b|$HOME|'|")

    assert running.run("ssh", "old", "--", "exit 7").status == 7


def kept(lab: TestLab) -> list[psutil.Process]:
    """Return the processes that keep a lab's connections; ssh names them by their sockets (its mux_master)."""
    mark = str(lab.home / "machines")
    return [process for process in psutil.process_iter() if _is_kept(process, mark)]


def _is_kept(process: psutil.Process, mark: str) -> bool:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return line.startswith("ssh: ") and mark in line and "[mux]" in line


def test_ssh_uses_its_connection_again_until_it_is_dead(running: TestLab) -> None:
    """A login under emulation takes longer than most commands."""

    def connection() -> str:
        result = running.run("ssh", "new", "--", "echo $SSH_CONNECTION")
        assert result.status == 0
        return result.out

    first = connection()
    (socket_file,) = (running.home / "machines" / "new").glob("ssh-*")
    (process,) = (one for one in kept(running) if str(socket_file) in " ".join(one.cmdline()))
    assert (stat.S_ISSOCK(socket_file.stat().st_mode), stat.S_IMODE(socket_file.stat().st_mode)) == (True, 0o600)
    assert connection() == first

    process.kill()
    process.wait()
    assert connection() != first


def test_guests_are_reached_over_loopback_only(running: TestLab) -> None:
    """Other machines on the host's network cannot log in to a guest."""
    listening = [
        connection
        for process in running.guests()
        for connection in process.net_connections(kind="inet")
        if connection.status == "LISTEN"
    ]

    assert len(listening) == 3
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}


def test_no_packet_leaves_a_guest(running: TestLab) -> None:
    """The host and its networks are unreachable from inside."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        # 10.0.2.2 is QEMU's name for the host (its documentation of user networking).
        result = running.run("ssh", "old", "--", f"curl -s -m 5 http://10.0.2.2:{server.getsockname()[1]}/")
        with pytest.raises(TimeoutError):
            server.accept()

    assert result.status != 0
    assert running.ask("old", "ip -o route show default").strip() == ""


def test_keys_are_for_their_owner_only(running: TestLab) -> None:
    """Other users cannot read private keys, or the initramfs that contains one."""
    private = [running.home / "keys" / "login"]
    for name in ("old", "new", "today"):
        private += [running.home / "machines" / name / "host_key", running.home / "machines" / name / "initramfs"]

    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_another_host_key_is_refused(running: TestLab) -> None:
    """Login to a machine's port requires that machine's host key."""
    host_key = running.home / "machines" / "new" / "host_key"
    genuine = host_key.read_bytes()
    try:
        host_key.write_bytes((running.home / "machines" / "old" / "host_key").read_bytes())
        result = running.run("run", "new", "-n", "1")
    finally:
        host_key.write_bytes(genuine)

    assert result.status == 3
    assert "host key" in result.err.lower()
    assert "Traceback" not in result.err


def test_a_halted_machine_keeps_its_disk_and_a_destroyed_one_nothing(fresh: TestLab) -> None:
    """Each machine has a separate disk: the shared image is never written."""
    cache = json.loads(fresh.well("doctor", "--json").out)
    assert cache["checks"]
    fresh.well("up", "old")
    fresh.ask("old", "echo kept >/var/tmp/note && sync")

    halted = fresh.well("halt", "old", "--json").json
    assert halted["machines"]["old"]["state"] == "halted"
    assert (fresh.guests(), kept(fresh)) == ([], [])
    assert not list((fresh.home / "machines" / "old").glob("ssh-*"))

    fresh.well("up", "old", "--cold")
    assert fresh.run("ssh", "old", "--", "cat /var/tmp/note").out == "kept\n"
    # A socket's name has at most 107 bytes (unix(7)); below a longer directory no connection is kept.
    assert kept(fresh) or len(str(fresh.home)) > 60

    fresh.well("destroy", "old")
    assert kept(fresh) == []
    assert not (fresh.home / "machines" / "old").exists()
    fresh.well("up", "old")
    assert fresh.run("ssh", "old", "--", "cat /var/tmp/note").status == 1


def test_a_machine_can_boot_the_newer_kernel(fresh: TestLab, tmp_path: Path) -> None:
    """The modules are also built for 6.12 and produce the old era there, in parallel lanes."""
    (old,) = find.machines(MACHINES, ["old"])
    newer = tmp_path / "newer.toml"
    newer.write_text(f'era = "{old.era}"\n[debian]\ntitle = "6.12, rewound"\nkernel = "6.12"\nrewound = true\n')
    fresh.well("up", str(newer))
    result = fresh.run("run", str(newer), "-s", "nfqueue", "-n", "8", "--json")
    fresh.well("destroy", str(newer))

    assert result.status == 0, result.err
    assert result.json["machines"]["newer"]["kernel"].startswith("6.12.")
    (cell,) = result.json["cells"]
    assert (cell["trials"], cell["armed"], cell["stalled"]) == (8, 8, 8)
    trials = trials_of(Path(result.json["path"]) / "newer" / "nfqueue")
    assert len({source for path in trials for source in sources(path)}) == 8
