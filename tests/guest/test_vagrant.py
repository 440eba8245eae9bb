"""Real Vagrant with its libvirt plugin, in session mode, as an ordinary user."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.catalogue import find
from lab.endpoint.endpoint import Endpoint
from lab.endpoint.ssh import Shell, answers
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import MACHINES
from lab.foundation.work import Work
from lab.provider.vagrant_cli import BoxMissingError, VagrantCommand
from lab.provision.centos import carry_out
from lab.provision.centos_plan import ProvisionStep
from tests.guest.conftest import TestLab, interrupt, wait_for


def asked(lab: TestLab, *command: str) -> str:
    """Return a program's output for the user of a lab."""
    assert lab.account is not None
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = {"user": lab.account.uid, "group": lab.account.gid, "extra_groups": []}
    home = lab.account.home
    environment = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), "LC_ALL": "C.UTF-8"}
    result = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=120, check=False, **account
    )
    assert result.returncode == 0, result.stderr
    return str(result.stdout)


def left_behind(lab: TestLab) -> list[str]:
    """Return everything of this lab that Vagrant, libvirt or the kernel still has."""
    domains = asked(lab, "virsh", "--connect", "qemu:///session", "list", "--all", "--name").split()
    pools = asked(lab, "virsh", "--connect", "qemu:///session", "pool-list", "--name").split()
    volumes = asked(lab, "virsh", "--connect", "qemu:///session", "vol-list", "default") if pools else ""
    boxes = asked(lab, "vagrant", "box", "list")
    index = asked(lab, "vagrant", "global-status", "--machine-readable")
    leftovers = [word for word in [*domains, *volumes.split(), *boxes.split()] if lab_name(lab) in word]
    leftovers += [line for line in index.splitlines() if str(lab.home) in line]
    return [
        *leftovers,
        *map(str, lab.guests()),
        *map(str, lab.home.glob("machines/*/*")),
        *map(str, lab.home.glob("vagrant")),
    ]


def lab_name(lab: TestLab) -> str:
    """Return the common prefix of a lab's domains, volumes and boxes, which no other lab has."""
    return hashlib.sha256(str(lab.home).encode()).hexdigest()[:8]


def test_replicas_come_up_by_vagrant_and_show_the_stall(vagrant_running: TestLab) -> None:
    """Box, boot, login, provisioning, trial and verdict, on two machines at once."""
    result = vagrant_running.well("run", "old", "new", "-s", "nfqueue", "-n", "1", "--json").json

    assert {cell["machine"]: cell["stalled"] for cell in result["cells"]} == {"old": 1, "new": 0}
    assert all(cell["armed"] == 1 for cell in result["cells"])
    assert any(lab_name(vagrant_running) in item for item in left_behind(vagrant_running))
    machines = vagrant_running.well("status", "--json").json["machines"]
    assert machines["old"]["provider"] == "vagrant (libvirt-session)"
    assert machines["old"]["replica"]
    assert machines["old"]["provisioned"]


def test_a_second_up_does_not_call_vagrant(vagrant_running: TestLab) -> None:
    """Users type it again to be sure, and Vagrant takes a second per call."""
    log = vagrant_running.home / "machines" / "old" / "vagrant.log"
    before = log.stat().st_mtime_ns, vagrant_running.guests()
    result = vagrant_running.well("up", "old", "new")

    assert (log.stat().st_mtime_ns, vagrant_running.guests()) == before
    assert "✓" not in result.err


def test_a_guest_of_vagrant_is_reached_over_loopback_only_and_reaches_nothing(vagrant_running: TestLab) -> None:
    """As with the embedded provider, although the plugin adds a network card."""
    listening = [
        connection.laddr.ip
        for process in vagrant_running.guests()
        for connection in process.net_connections(kind="inet")
        if connection.status == "LISTEN"
    ]
    assert listening == ["127.0.0.1", "127.0.0.1"]

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        result = vagrant_running.run(
            "ssh", "old", "--", f"curl -s -m 5 http://10.0.2.2:{server.getsockname()[1]}/ || ! ip route get 9.9.9.9"
        )
        with pytest.raises(TimeoutError):
            server.accept()
    assert result.status == 0


def test_the_insecure_vagrant_key_is_rejected(vagrant_running: TestLab) -> None:
    """It is published with Vagrant, and any user of this host has it."""
    assert vagrant_running.account is not None
    insecure = vagrant_running.account.home / ".vagrant.d" / "insecure_private_key"
    assert insecure.exists()

    keys = vagrant_running.ask("old", "cat /root/.ssh/authorized_keys").splitlines()
    assert keys == [(vagrant_running.home / "keys" / "login.pub").read_text().strip()]


def test_a_plan_runs_in_order_and_reboots_through_vagrant(vagrant_running: TestLab) -> None:
    """The steps for CentOS, on any system; after a reboot the forwarded port may be dead."""

    def reboot() -> None:
        # As after a reboot under libvirt's system daemon: the guest runs, but its port forward is gone.
        cut = "(sleep 1; iptables -I INPUT -p tcp --dport 22 -j DROP) >/dev/null 2>&1 &"
        vagrant_running.ask("new", cut)
        wait_for(lambda: not answers("127.0.0.1", endpoint(vagrant_running, "new").port))
        result = vagrant_running.well("up", "new")
        assert "new: it runs, but its SSH server does not answer: booting it again" in result.err

    steps = [
        ProvisionStep("one", {"/root/plan": "written\n"}, (("sh", "-c", "cat /root/plan >>/root/done"),)),
        ProvisionStep("two", commands=(("sh", "-c", "echo booted >>/root/done && sync"),), reboot=True),
        ProvisionStep("three", commands=(("sh", "-c", "uptime -s >>/root/done"),)),
    ]
    with Shell(endpoint(vagrant_running, "new"), Work()) as shell:
        before = shell.ask(["cat", "/proc/sys/kernel/random/boot_id"])
        carry_out(shell, "new", steps, reboot, Work())
        assert shell.ask(["cat", "/proc/sys/kernel/random/boot_id"]) != before
        assert shell.ask(["cat", "/root/done"]).splitlines()[:2] == ["written", "booted"]
        with pytest.raises(BrokenEnvironment, match="failed with exit status 7"):
            carry_out(shell, "new", [ProvisionStep("wrong", commands=(("sh", "-c", "exit 7"),))], reboot, Work())


def endpoint(lab: TestLab, machine: str) -> Endpoint:
    """Return a machine's endpoint from its lab's data."""
    directory = lab.home / "machines" / machine
    port = json.loads((directory / "vagrant.json").read_text())["ssh_port"]
    host_key = (directory / "host_key.pub").read_text()
    return Endpoint(machine, "127.0.0.1", port, "root", lab.home / "keys" / "login", host_key)


def test_an_existing_machine_is_not_brought_up_by_another_provider(vagrant_running: TestLab) -> None:
    """Exit status 2, with the existing choice and how to change it."""
    result = vagrant_running.run("up", "old", "--provider", "qemu")

    assert result.status == 2
    assert "old is there already, by vagrant (libvirt-session)" in result.err
    assert "lab destroy old" in result.err


def test_halt_keeps_the_disk_and_destroy_leaves_nothing_behind(vagrant: TestLab) -> None:
    """No domain, volume, box, port or file remains."""
    vagrant.well("up", "old")
    vagrant.ask("old", "echo kept >/var/tmp/note && sync")
    port = endpoint(vagrant, "old").port

    assert vagrant.well("halt", "old", "--json").json["machines"]["old"]["state"] == "halted"
    assert vagrant.guests() == []
    vagrant.well("up", "old")
    assert vagrant.ask("old", "cat /var/tmp/note") == "kept\n"
    assert vagrant.well("run", "old", "-s", "nfqueue", "-n", "1", "--json").json["cells"][0]["stalled"] == 1

    vagrant.well("destroy")
    assert left_behind(vagrant) == []
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize("moment", ["Unpacking", "Creating domain", "SSH address"])
def test_destroy_cleans_up_after_ctrl_c_in_vagrant_up(vagrant: TestLab, moment: str) -> None:
    """Interruptions while the box is added, the domain is created, and the guest boots are tested."""
    process = vagrant.start("up", "old")
    log = vagrant.home / ("vagrant/libvirt-session" if moment == "Unpacking" else "machines/old") / "vagrant.log"
    wait_for(lambda: log.exists() and moment in log.read_text(errors="replace"), bound_s=300)
    result = interrupt(process)

    assert result.status == 130
    assert "Traceback" not in result.err
    assert vagrant.guests() == []
    if moment == "Creating domain":
        vagrant.well("up", "old")
    vagrant.well("destroy")
    assert left_behind(vagrant) == []


def test_a_guest_that_misses_its_boot_timeout_is_reported_and_removed(vagrant: TestLab) -> None:
    """The error has the reason, the next step and the path of Vagrant's log."""
    machine = vagrant.home.parent / "slow.toml"
    machine.write_text('era = "relookup"\nboot_bound_s = 1\n[debian]\ntitle = "t"\nkernel = "6.1"\nrewound = false\n')
    result = vagrant.run("up", str(machine))

    assert result.status == 3
    assert result.err.count("slow: the guest did not answer in time: trying again") == 1
    assert "slow: the guest did not boot, or its SSH server did not answer, in time" in result.err
    assert "boot_bound_s" in result.err
    assert "machines/slow/vagrant.log" in result.err.replace("\n", "")
    assert vagrant.guests() == []
    vagrant.well("destroy", str(machine))
    assert left_behind(vagrant) == []


def test_an_occupied_port_is_named_with_vagrant_too(vagrant: TestLab) -> None:
    """This concerns machines with a fixed port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        machine = vagrant.home.parent / "insists.toml"
        system = '[debian]\ntitle = "t"\nkernel = "6.1"\nrewound = false\n'
        machine.write_text(f'era = "relookup"\nssh_port = {taken.getsockname()[1]}\n{system}')
        result = vagrant.run("up", str(machine))

    assert result.status == 3
    assert "the port for its SSH server is taken" in result.err
    vagrant.well("destroy", str(machine))
    assert left_behind(vagrant) == []


def test_a_machine_unknown_to_vagrant_can_be_destroyed(vagrant: TestLab) -> None:
    """A killed Vagrant may not have recorded its domain."""
    vagrant.well("up", "old")
    for path in vagrant.home.glob("machines/old/.vagrant/machines/old/libvirt/*"):
        path.unlink()

    vagrant.well("destroy", "old")
    assert left_behind(vagrant) == []


def test_a_missing_vagrant_or_plugin_is_reported(vagrant: TestLab) -> None:
    """Exit status 3, with what to install and what works without."""
    path = vagrant.environment.get("PATH", os.environ["PATH"])
    vagrant.environment["PATH"] = str(vagrant.home)
    missing = vagrant.run("up", "old")
    vagrant.environment |= {"PATH": path, "VAGRANT_NO_PLUGINS": "1"}
    without_plugin = vagrant.run("up", "old")
    del vagrant.environment["VAGRANT_NO_PLUGINS"]

    for result, problem in ((missing, "Vagrant is not installed"), (without_plugin, "Vagrant lacks the plugin")):
        assert result.status == 3
        assert problem in result.err
        assert "lab doctor has the command that installs" in result.err


def test_centos_is_refused_in_libvirts_session_mode(vagrant: TestLab) -> None:
    """Session mode finds a guest through its agent, which CentOS's boxes lack."""
    vagrant.environment["LAB_SYSTEM"] = ""
    result = vagrant.run("up", "old")

    assert result.status == 2
    assert "CentOS cannot be brought up under libvirt-session" in result.err
    assert "--system replica" in result.err


def test_root_gets_an_error_for_session_mode(fresh: TestLab) -> None:
    """It would reach the system daemon instead."""
    if os.geteuid() != 0:
        pytest.skip("the tests do not run as root")
    result = fresh.run("up", "old", "--provider", "vagrant", "--hypervisor", "libvirt-session", "--replica")

    assert result.status == 3
    assert "for ordinary users, not for root" in result.err


def test_an_unavailable_box_is_distinguished_from_other_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another box may work; the cause is in Vagrant's log."""
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "home"))
    command = VagrantCommand(tmp_path, Work())
    with pytest.raises(BoxMissingError, match="the box cannot be had") as caught:
        command.box_add("absent/nothing", (tmp_path / "nothing.box").as_uri())

    assert caught.value.evidence == tmp_path / "vagrant.log"
    assert "absent/nothing" in command.log.read_text()


def test_the_box_is_made_once_and_is_what_vagrant_expects(vagrant: TestLab) -> None:
    """A second call returns the same box; the archive follows the libvirt plugin's format."""
    first = vagrant.well("box", "build", "--json").json
    assert vagrant.well("box", "build", "--json").json == first
    names = subprocess.run(["tar", "-tf", first["path"]], capture_output=True, text=True, check=True).stdout.split()
    assert {"metadata.json", "Vagrantfile", "box.img", "vmlinuz-6.1", "initramfs-6.1"} <= set(names)

    checksum = subprocess.run(["sha256sum", first["path"]], capture_output=True, text=True, check=True).stdout
    assert checksum.split()[0] == first["sha256"]
    assert len(find.machines(MACHINES, [])) == 3
