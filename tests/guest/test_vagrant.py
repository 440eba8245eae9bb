"""Real Vagrant with its libvirt plugin, in libvirt's session mode, as an ordinary user: what goes up comes down."""

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
from lab.endpoint import Endpoint
from lab.errors import BrokenEnvironment
from lab.home import MACHINES
from lab.provider.vagrant_cli import BoxMissingError, VagrantCommand
from lab.provision.centos import Step, carry_out
from lab.ssh import Shell, answers
from lab.work import Work
from tests.guest.conftest import TestLab, interrupt, wait_for


def asked(lab: TestLab, *command: str) -> str:
    """Give what a program says to the user of a lab."""
    assert lab.account is not None
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = {"user": lab.account.uid, "group": lab.account.gid, "extra_groups": []}
    home = lab.account.home
    environment = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=120, check=False, **account
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def left_behind(lab: TestLab) -> list[str]:
    """Give everything of this lab that Vagrant, libvirt or the kernel still knows."""
    domains = asked(lab, "virsh", "--connect", "qemu:///session", "list", "--all", "--name").split()
    pools = asked(lab, "virsh", "--connect", "qemu:///session", "pool-list", "--name").split()
    volumes = asked(lab, "virsh", "--connect", "qemu:///session", "vol-list", "default") if pools else ""
    boxes = asked(lab, "vagrant", "box", "list")
    index = asked(lab, "vagrant", "global-status", "--machine-readable")
    found = [word for word in [*domains, *volumes.split(), *boxes.split()] if lab_name(lab) in word]
    found += [line for line in index.splitlines() if str(lab.home) in line]
    return [
        *found,
        *map(str, lab.guests()),
        *map(str, lab.home.glob("machines/*/*")),
        *map(str, lab.home.glob("vagrant")),
    ]


def lab_name(lab: TestLab) -> str:
    """Give what the names of a lab's domains, volumes and boxes have in common, and no other lab's."""
    return hashlib.sha256(str(lab.home).encode()).hexdigest()[:8]


def test_replicas_come_up_by_vagrant_and_show_the_stall(vagrant_running: TestLab) -> None:
    """The whole way: box, boot, login, provisioning, trial, verdict; on two machines at once."""
    done = vagrant_running.well("run", "old", "new", "-s", "nfqueue", "-n", "1", "--json").json

    assert {cell["machine"]: cell["stalled"] for cell in done["cells"]} == {"old": 1, "new": 0}
    assert all(cell["armed"] == 1 for cell in done["cells"])
    assert any(lab_name(vagrant_running) in item for item in left_behind(vagrant_running))
    machines = vagrant_running.well("status", "--json").json["machines"]
    assert machines["old"]["provider"] == "vagrant (libvirt-session)"
    assert machines["old"]["replica"]
    assert machines["old"]["provisioned"]


def test_up_a_second_time_asks_vagrant_for_nothing(vagrant_running: TestLab) -> None:
    """People type it to be sure, and Vagrant takes a second for each answer."""
    log = vagrant_running.home / "machines" / "old" / "vagrant.log"
    before = log.stat().st_mtime_ns, vagrant_running.guests()
    done = vagrant_running.well("up", "old", "new")

    assert (log.stat().st_mtime_ns, vagrant_running.guests()) == before
    assert "✓" not in done.err


def test_a_guest_of_vagrant_is_reached_over_loopback_only_and_reaches_nothing(vagrant_running: TestLab) -> None:
    """As one of the embedded provider; though the plugin insists on a card of its own."""
    listening = [
        connection.laddr.ip
        for process in vagrant_running.guests()
        for connection in process.net_connections(kind="inet")
        if connection.status == "LISTEN"
    ]
    assert listening == ["127.0.0.1", "127.0.0.1"]

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        done = vagrant_running.run(
            "ssh", "old", "--", f"curl -s -m 5 http://10.0.2.2:{server.getsockname()[1]}/ || ! ip route get 9.9.9.9"
        )
        with pytest.raises(TimeoutError):
            server.accept()
    assert done.status == 0


def test_the_key_that_every_box_has_lets_nobody_in(vagrant_running: TestLab) -> None:
    """It is published with Vagrant itself: any user of this host has it."""
    assert vagrant_running.account is not None
    insecure = vagrant_running.account.home / ".vagrant.d" / "insecure_private_key"
    assert insecure.exists()

    keys = vagrant_running.ask("old", "cat /root/.ssh/authorized_keys").splitlines()
    assert keys == [(vagrant_running.home / "keys" / "login.pub").read_text().strip()]


def test_a_plan_is_carried_out_in_order_and_its_reboot_goes_by_vagrant(vagrant_running: TestLab) -> None:
    """What makes CentOS of a box, with steps that any system can take; after a reboot its port may lead nowhere."""

    def reboot() -> None:
        # As after a reboot under libvirt's system daemon: the guest runs, and what led to its port does no more.
        cut = "(sleep 1; iptables -I INPUT -p tcp --dport 22 -j DROP) >/dev/null 2>&1 &"
        vagrant_running.ask("new", cut)
        wait_for(lambda: not answers("127.0.0.1", endpoint(vagrant_running, "new").port))
        done = vagrant_running.well("up", "new")
        assert "new: it runs, but its SSH server does not answer: booting it anew" in done.err

    steps = [
        Step("one", {"/root/plan": "written\n"}, (("sh", "-c", "cat /root/plan >>/root/done"),)),
        Step("two", commands=(("sh", "-c", "echo booted >>/root/done && sync"),), reboot=True),
        Step("three", commands=(("sh", "-c", "uptime -s >>/root/done"),)),
    ]
    with Shell(endpoint(vagrant_running, "new"), Work()) as shell:
        before = shell.ask(["cat", "/proc/sys/kernel/random/boot_id"])
        carry_out(shell, "new", steps, reboot, Work())
        assert shell.ask(["cat", "/proc/sys/kernel/random/boot_id"]) != before
        assert shell.ask(["cat", "/root/done"]).splitlines()[:2] == ["written", "booted"]
        with pytest.raises(BrokenEnvironment, match="failed with exit status 7"):
            carry_out(shell, "new", [Step("wrong", commands=(("sh", "-c", "exit 7"),))], reboot, Work())


def endpoint(lab: TestLab, machine: str) -> Endpoint:
    """Give a machine's endpoint, from what its lab knows of it."""
    directory = lab.home / "machines" / machine
    port = json.loads((directory / "vagrant.json").read_text())["ssh_port"]
    host_key = (directory / "host_key.pub").read_text()
    return Endpoint(machine, "127.0.0.1", port, "root", lab.home / "keys" / "login", host_key)


def test_a_machine_that_is_there_is_not_brought_up_in_another_way(vagrant_running: TestLab) -> None:
    """Exit status 2, with how it is there and how to change that."""
    done = vagrant_running.run("up", "old", "--provider", "qemu")

    assert done.status == 2
    assert "old is there already, by vagrant (libvirt-session)" in done.err
    assert "lab destroy old" in done.err


def test_halt_keeps_the_disk_and_destroy_leaves_nothing_behind(vagrant: TestLab) -> None:
    """No domain, no volume, no box, no port, no file: as if it had never been."""
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
def test_ctrl_c_in_vagrant_up_leaves_what_destroy_removes(vagrant: TestLab, moment: str) -> None:
    """At whatever moment: while the box is taken in, while the domain is made, while it boots."""
    process = vagrant.start("up", "old")
    log = vagrant.home / ("vagrant/libvirt-session" if moment == "Unpacking" else "machines/old") / "vagrant.log"
    wait_for(lambda: log.exists() and moment in log.read_text(errors="replace"), bound_s=300)
    done = interrupt(process)

    assert done.status == 130
    assert "Traceback" not in done.err
    assert vagrant.guests() == []
    if moment == "Creating domain":
        vagrant.well("up", "old")
    vagrant.well("destroy")
    assert left_behind(vagrant) == []


def test_a_guest_that_does_not_come_up_in_time_is_said_so_and_removed(vagrant: TestLab) -> None:
    """With the reason, the next step and where Vagrant's own words are."""
    machine = vagrant.home.parent / "slow.toml"
    machine.write_text('era = "relookup"\nboot_bound_s = 1\n[debian]\ntitle = "t"\nkernel = "6.1"\nrewound = false\n')
    done = vagrant.run("up", str(machine))

    assert done.status == 3
    assert done.err.count("slow: the guest did not answer in time: trying once more") == 1
    assert "slow: the guest did not boot, or its SSH server did not answer, in time" in done.err
    assert "boot_bound_s" in done.err
    assert "machines/slow/vagrant.log" in done.err.replace("\n", "")
    assert vagrant.guests() == []
    vagrant.well("destroy", str(machine))
    assert left_behind(vagrant) == []


def test_a_port_that_is_taken_is_named_by_vagrant_too(vagrant: TestLab) -> None:
    """For a machine that insists on one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        machine = vagrant.home.parent / "insists.toml"
        system = '[debian]\ntitle = "t"\nkernel = "6.1"\nrewound = false\n'
        machine.write_text(f'era = "relookup"\nssh_port = {taken.getsockname()[1]}\n{system}')
        done = vagrant.run("up", str(machine))

    assert done.status == 3
    assert "the port for its SSH server is taken" in done.err
    vagrant.well("destroy", str(machine))
    assert left_behind(vagrant) == []


def test_a_machine_whose_vagrant_lost_track_of_it_can_be_destroyed(vagrant: TestLab) -> None:
    """Vagrant that was killed may not have written down yet which domain is its own."""
    vagrant.well("up", "old")
    for path in vagrant.home.glob("machines/old/.vagrant/machines/old/libvirt/*"):
        path.unlink()

    vagrant.well("destroy", "old")
    assert left_behind(vagrant) == []


def test_vagrant_that_is_missing_or_lacks_its_plugin_is_said_so(vagrant: TestLab) -> None:
    """Exit status 3, with what to install and what works without."""
    path = vagrant.environment.get("PATH", os.environ["PATH"])
    vagrant.environment["PATH"] = str(vagrant.home)
    missing = vagrant.run("up", "old")
    vagrant.environment |= {"PATH": path, "VAGRANT_NO_PLUGINS": "1"}
    without_plugin = vagrant.run("up", "old")
    del vagrant.environment["VAGRANT_NO_PLUGINS"]

    for done, problem in ((missing, "Vagrant is not installed"), (without_plugin, "Vagrant lacks the plugin")):
        assert done.status == 3
        assert problem in done.err
        assert "apt-get install" in done.err


def test_centos_is_not_brought_up_where_it_cannot_be(vagrant: TestLab) -> None:
    """Libvirt's session mode knows a guest by its agent, and CentOS's boxes have none."""
    (vagrant.home.parent / "config.toml").write_text("")
    done = vagrant.run("up", "old")

    assert done.status == 2
    assert "CentOS cannot be brought up under libvirt-session" in done.err
    assert "--replica" in done.err


def test_root_is_told_that_session_mode_is_not_for_root(fresh: TestLab) -> None:
    """It would reach the system's daemon instead."""
    if os.geteuid() != 0:
        pytest.skip("the tests do not run as root")
    done = fresh.run("up", "old", "--provider", "vagrant", "--hypervisor", "libvirt-session", "--replica")

    assert done.status == 3
    assert "for ordinary users, not for root" in done.err


def test_a_box_that_cannot_be_had_is_told_from_other_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be another box to try; the cause is in Vagrant's own log."""
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "home"))
    command = VagrantCommand(tmp_path, Work())
    with pytest.raises(BoxMissingError, match="the box cannot be had") as caught:
        command.box_add("nobody/nothing", (tmp_path / "nothing.box").as_uri())

    assert caught.value.evidence == tmp_path / "vagrant.log"
    assert "nobody/nothing" in command.log.read_text()


def test_the_box_is_made_once_and_is_what_vagrant_expects(vagrant: TestLab) -> None:
    """A second call gives the same; the archive has what the libvirt plugin's format asks for."""
    first = vagrant.well("box", "build", "--json").json
    assert vagrant.well("box", "build", "--json").json == first
    names = subprocess.run(["tar", "-tf", first["path"]], capture_output=True, text=True, check=True).stdout.split()
    assert {"metadata.json", "Vagrantfile", "box.img", "vmlinuz-6.1", "initramfs-6.1"} <= set(names)

    checksum = subprocess.run(["sha256sum", first["path"]], capture_output=True, text=True, check=True).stdout
    assert checksum.split()[0] == first["sha256"]
    assert len(find.machines(MACHINES, [])) == 3
