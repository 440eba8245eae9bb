"""Failures during a run end with a clear message, keep all results and leave nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.endpoint import ssh
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import MACHINES, Home
from lab.foundation.work import Work
from lab.image.build import Image
from lab.judgement import kept
from lab.provider import accelerator
from lab.session.session import Session
from tests.guest.conftest import Done, TestLab, interrupt, wait_for


def finished_trials(lab: TestLab) -> list[Path]:
    """Return the directories of all stored trials."""
    return sorted(lab.home.glob("runs/*/*/*/[0-9]*"))


def start_stalling_run(lab: TestLab) -> subprocess.Popen[str]:
    """Start a run of long trials on old and wait until one is stored."""
    process = lab.start("run", "old", "-s", "nfqueue", "-n", "500", "--json")
    wait_for(lambda: finished_trials(lab))
    return process


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for a command's end."""
    out, err = process.communicate(timeout=200)
    return Done(process.returncode, out, err)


@pytest.fixture
def old(fresh: TestLab) -> TestLab:
    """Return a lab with old up."""
    fresh.well("up", "old")
    return fresh


def test_a_guest_that_dies_in_a_trial_is_reported_and_finished_trials_are_kept(old: TestLab) -> None:
    """The run ends when the connection breaks, and its trials can be compared."""
    process = start_stalling_run(old)
    (guest,) = old.guests()
    guest.kill()
    result = finish(process)

    assert result.status == 3
    assert "kept: lab compare --run" in result.err
    assert "Traceback" not in result.err
    run_id = finished_trials(old)[0].parents[2].name
    assert old.run("compare", "--run", run_id, "--json").json["cells"][0]["trials"] == len(finished_trials(old))
    assert old.well("status", "old", "--json").json["machines"]["old"]["state"] == "halted"


def test_a_guest_that_hangs_does_not_hang_the_lab(old: TestLab) -> None:
    """After a timeout it is reported as running without an answer; it can be destroyed."""
    (guest,) = old.guests()
    guest.send_signal(signal.SIGSTOP)

    result = old.run("run", "old", "-s", "baseline", "-n", "1")
    assert result.status == 3
    assert "could not log in" in result.err

    assert "lab destroy old" in result.err
    old.well("destroy", "old")
    assert old.guests() == []


def test_a_guest_that_hangs_after_a_login_does_not_hang_the_lab(old: TestLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command starts and no file is written any more; paramiko alone would wait an hour."""
    monkeypatch.setattr(ssh, "LOGIN_BOUND_S", 3.0)
    monkeypatch.setattr(ssh, "COMMAND_BOUND_S", 3.0)
    home = Home(old.home, Home.from_environment().cache, old.home / "no-config.toml")
    with Session(home, Work()) as session:
        (machine,) = session.current(find.machines(MACHINES, ["old"]))
        shell = session.shell(machine)
        shell.put(b"", "before")
        (guest,) = old.guests()
        guest.send_signal(signal.SIGSTOP)

        with pytest.raises(BrokenEnvironment, match="could not write after"):
            shell.put(b"x", "after")
        with pytest.raises(BrokenEnvironment, match="could not run true over SSH: Timeout"):
            shell.ask(["true"])


def test_a_connection_that_is_cut_ends_the_run_and_not_the_machine(old: TestLab) -> None:
    """The next run first restores what the interrupted one changed in the guest."""
    process = start_stalling_run(old)
    old.ask("old", "kill $(ps -o ppid= -C lanes)")  # sshd's process for this connection
    result = finish(process)
    assert result.status == 3
    assert "Traceback" not in result.err

    again = old.run("run", "old", "-s", "nfqueue", "-n", "1", "--json")
    assert again.status == 0, again.err
    assert again.json["cells"][0]["stalled"] == 1


def test_ctrl_c_in_a_run_keeps_what_is_finished_and_leaves_the_guest_tidy(old: TestLab) -> None:
    """No verdict program, hook or half trial remains."""
    result = interrupt(start_stalling_run(old))

    assert result.status == 130
    assert "kept: lab compare --run" in result.err
    assert [path for path in old.home.glob("runs/*/*/*/.*") if path.name != kept.FILE] == []
    assert old.run("ssh", "old", "--", "pgrep user.out").status == 1
    assert old.run("ssh", "old", "--", "[ -e /sys/module/nfqdns ]").status == 1
    assert old.well("run", "old", "-s", "baseline", "-n", "1").status == 0


def test_leftovers_of_a_killed_run_or_probe_do_not_block_a_scenario(old: TestLab) -> None:
    """The hook module stayed loaded without its notes and could not be loaded again: "File exists"."""
    scenario, network = "/opt/lab/guest/scenario.sh", "/opt/lab/guest/network.sh"
    again = f"{scenario} begin 1 queue=nfqdns && {scenario} end"
    old.ask("old", f"{scenario} begin 1 queue=nfqdns && {network} down && [ ! -e /sys/module/nfqdns ]")
    after_run = old.run("ssh", "old", "--", f"{network} up 1 && {again}")
    old.ask("old", "insmod /opt/lab/build/$(uname -r)/nfqdns.ko port=0")
    after_probe = old.run("ssh", "old", "--", again)

    assert (after_run.status, after_run.err) == (0, "")
    assert (after_probe.status, after_probe.err) == (0, "")


def test_leftovers_of_a_killed_clash_test_do_not_block_the_next(old: TestLab) -> None:
    """Its namespace and program remained, and the kernel counted as one that cannot be rewound."""
    command = "ip netns add lab-clash && (ip netns exec lab-clash sleep 1000 </dev/null >/dev/null 2>&1 &)"
    old.ask("old", command)

    result = old.run("ssh", "old", "--", "/opt/lab/guest/clash.sh plain && ip netns list && pgrep -x sleep || true")

    assert result.err == ""
    assert result.out.splitlines()[0] == "left=1 insert_failed=1 drop=0"
    assert "lab-clash" not in result.out
    assert not result.out.splitlines()[-1].isdigit()


def test_ctrl_c_in_the_demo_leaves_no_guest(fresh: TestLab) -> None:
    """Machines started only for the demo are removed; its finished trials are kept."""
    process = fresh.start("demo", "--json")
    wait_for(lambda: finished_trials(fresh), bound_s=120)
    result = interrupt(process)

    assert result.status == 130
    assert fresh.guests() == []
    assert not (fresh.home / "machines" / "old").exists()
    assert finished_trials(fresh)


@pytest.mark.parametrize("moment", ["disk.qcow2", "started.json", "console.log", "provisioning"])
def test_ctrl_c_in_up_leaves_no_guest(fresh: TestLab, moment: str) -> None:
    """Interruptions before, during and after the start of QEMU are tested."""
    process = fresh.start("up", "old", "new")
    if moment == "provisioning":
        wait_for(lambda: "booting" in (steps := fresh.steps()) and "setting up the test network" in steps)
    else:
        wait_for((fresh.home / "machines" / "old" / moment).exists)
    result = interrupt(process)

    assert result.status == 130
    assert "Traceback" not in result.err
    assert fresh.guests() == []


def test_concurrent_commands_take_turns(old: TestLab) -> None:
    """The second names the first while it waits, and both succeed."""
    first = old.start("run", "old", "-s", "nfqueue", "-n", "2", "--json")
    wait_for((old.home / "machines" / "old.holder").exists)
    second = old.run("run", "old", "-s", "baseline", "-n", "1", "--json")

    assert second.status == 0, second.err
    assert f"waiting for 'lab run old -s nfqueue -n 2 --json' (process {first.pid})" in second.err
    assert finish(first).status == 0


def test_an_occupied_port_is_named(fresh: TestLab, tmp_path: Path) -> None:
    """This concerns machines with a fixed port; others get a free one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        machine = tmp_path / "insists.toml"
        machine.write_text(
            f'era = "relookup"\nssh_port = {port}\n[debian]\ntitle = "t"\nkernel = "6.1"\nrewound = false\n'
        )
        result = fresh.run("up", str(machine))

    assert result.status == 3
    assert f"port {port} on 127.0.0.1 is taken" in result.err
    assert fresh.guests() == []


def test_a_host_without_qemu_gets_the_package_to_install(fresh: TestLab, tmp_path: Path) -> None:
    """One line names the package, and doctor agrees."""
    fresh.environment["PATH"] = str(tmp_path)
    result = fresh.run("up", "old")
    assert result.status == 3
    assert "qemu-system-x86_64 is not installed" in result.err
    assert "apt-get install --no-install-recommends qemu-system-x86" in result.err

    doctor = fresh.run("doctor", "--json")
    assert doctor.status == 3
    assert "qemu-system-x86" in doctor.json["mend"][0]


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system is mounted in a separate mount namespace")
def test_too_little_disk_space_is_reported_before_any_build(tmp_path: Path) -> None:
    """The error comes at once and has figures."""
    mount = 'mount -t tmpfs -o size=50m tmpfs "$1" && LAB_CACHE="$1" LAB_HOME="$1" exec "$2" -m lab up old'
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", tmp_path, sys.executable],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 3
    assert "no space" in result.stderr
    assert "MB are needed" in result.stderr


def test_an_interrupted_image_build_leaves_nothing(fresh: TestLab, tmp_path: Path) -> None:
    """No half-built image is used, and no build process keeps running."""
    cache = tmp_path / "cache"
    fresh.environment["LAB_CACHE"] = str(cache)
    process = fresh.start("up", "old")
    wait_for(lambda: (cache / "build.log").exists() and "apt-get update" in (cache / "build.log").read_text())
    result = interrupt(process)

    assert result.status == 130
    assert list((cache / "images").iterdir()) == []
    assert list((cache / "bases").iterdir()) == []
    assert subprocess.run(["pgrep", "-f", str(cache)], check=False).returncode == 1


def test_the_probe_detects_whether_an_accelerator_boots_a_guest(
    running: TestLab,
) -> None:
    """The use of KVM depends on it; software emulation always boots, an invalid accelerator never."""
    image = booted_with(running)

    assert accelerator.boots("tcg", image.kernel("6.1"), Work(), bound_s=60)
    assert not accelerator.boots("nonsense", image.kernel("6.1"), Work(), bound_s=60)
    assert not accelerator.boots("tcg", image.initramfs("6.1"), Work(), bound_s=5)


def booted_with(lab: TestLab) -> Image:
    """Return the image that the lab's guests use."""
    arguments = lab.guests()[0].cmdline()
    return Image(Path(arguments[arguments.index("-kernel") + 1]).parent)
