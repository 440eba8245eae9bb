"""The life of machines, by the command line."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.home import MACHINES
from tests.guest.conftest import TestLab
from tests.guest.test_lanes import sources


def test_up_a_second_time_changes_nothing(running: TestLab) -> None:
    """People type it to be sure."""
    before = {process.pid for process in running.guests()}
    done = running.well("up", "--json")

    assert {process.pid for process in running.guests()} == before
    assert len(before) == 3
    assert "✓" not in done.err
    assert all(machine["provisioned"] for machine in done.json["machines"].values())


def test_status_tells_what_a_machine_is(running: TestLab) -> None:
    """A replica is called one, and its kernel is the one that runs."""
    machines = running.well("status", "--json").json["machines"]

    assert {name: (machine["era"], machine["replica"]) for name, machine in machines.items()} == {
        "old": ("drop", True),
        "new": ("resolve", True),
        "today": ("relookup", False),
    }
    assert machines["old"]["kernel"] == running.ask("old", "uname -r").strip()


def test_ssh_gives_the_commands_output_and_exit_status(running: TestLab) -> None:
    """Arguments arrive as they were given, and scripts can rely on the status."""
    done = running.run("ssh", "old", "--", "printf", "%s|", "a b", "$HOME", "'")
    assert (done.status, done.out) == (0, "a b|$HOME|'|")

    assert running.run("ssh", "old", "--", "exit 7").status == 7


def test_guests_are_reached_over_loopback_only(running: TestLab) -> None:
    """Nobody else on the host's network can log in to a guest."""
    listening = [
        connection
        for process in running.guests()
        for connection in process.net_connections(kind="inet")
        if connection.status == "LISTEN"
    ]

    assert len(listening) == 3
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}


def test_no_packet_leaves_a_guest(running: TestLab) -> None:
    """Neither the host nor anything behind it can be reached from inside."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        # 10.0.2.2 is QEMU's name for the host (its documentation of user networking).
        done = running.run("ssh", "old", "--", f"curl -s -m 5 http://10.0.2.2:{server.getsockname()[1]}/")
        with pytest.raises(TimeoutError):
            server.accept()

    assert done.status != 0
    assert running.ask("old", "ip -o route show default").strip() == ""


def test_keys_are_for_their_owner_only(running: TestLab) -> None:
    """Private keys, and the initramfs that carries one, are not readable by others."""
    private = [running.home / "keys" / "login"]
    for name in ("old", "new", "today"):
        private += [running.home / "machines" / name / "host_key", running.home / "machines" / name / "initramfs"]

    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_another_host_key_is_refused(running: TestLab) -> None:
    """What answers on a machine's port is logged in to only if it is that machine."""
    host_key = running.home / "machines" / "new" / "host_key"
    genuine = host_key.read_bytes()
    try:
        host_key.write_bytes((running.home / "machines" / "old" / "host_key").read_bytes())
        done = running.run("run", "new", "-n", "1")
    finally:
        host_key.write_bytes(genuine)

    assert done.status == 3
    assert "host key" in done.err.lower()
    assert "Traceback" not in done.err


def test_a_halted_machine_keeps_its_disk_and_a_destroyed_one_nothing(fresh: TestLab) -> None:
    """The disk is the machine's own: the shared image is never written."""
    cache = json.loads(fresh.well("doctor", "--json").out)
    assert cache["checks"]
    fresh.well("up", "old")
    fresh.ask("old", "echo kept >/var/tmp/note && sync")

    halted = fresh.well("halt", "old", "--json").json
    assert halted["machines"]["old"]["state"] == "halted"
    assert fresh.guests() == []

    fresh.well("up", "old", "--cold")
    assert fresh.ask("old", "cat /var/tmp/note") == "kept\n"

    fresh.well("destroy", "old")
    assert not (fresh.home / "machines" / "old").exists()
    fresh.well("up", "old")
    assert fresh.run("ssh", "old", "--", "cat /var/tmp/note").status == 1


def test_a_machine_can_boot_the_newer_kernel(fresh: TestLab, tmp_path: Path) -> None:
    """The modules are built for 6.12 as well, and show the old era there, in lanes side by side."""
    (old,) = find.machines(MACHINES, ["old"])
    newer = tmp_path / "newer.toml"
    newer.write_text(f'era = "{old.era}"\n[debian]\ntitle = "6.12, rewound"\nkernel = "6.12"\nrewound = true\n')
    fresh.well("up", str(newer))
    done = fresh.run("run", str(newer), "-s", "nfqueue", "-n", "8", "--json")
    fresh.well("destroy", str(newer))

    assert done.status == 0, done.err
    assert done.json["machines"]["newer"]["kernel"].startswith("6.12.")
    (cell,) = done.json["cells"]
    assert (cell["trials"], cell["armed"], cell["stalled"]) == (8, 8, 8)
    trials = (Path(done.json["path"]) / "newer" / "nfqueue").iterdir()
    assert len({source for path in trials for source in sources(path)}) == 8
