"""What goes wrong around a run: it ends with a clear message, nothing gathered is lost and nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lab import ssh
from lab.catalogue import find
from lab.errors import BrokenEnvironment
from lab.home import MACHINES, Home
from lab.image.build import Image
from lab.provider import accelerator
from lab.session import Session
from lab.work import Work
from tests.guest.conftest import Done, TestLab, interrupt, wait_for


def finished_trials(lab: TestLab) -> list[Path]:
    """Give the directories of all stored trials."""
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
    """Give a lab with old up."""
    fresh.well("up", "old")
    return fresh


def test_a_guest_that_dies_in_a_trial_is_said_so_and_finished_trials_are_kept(old: TestLab) -> None:
    """Its connection breaks; the run ends at once, and what it has can be compared."""
    process = start_stalling_run(old)
    (guest,) = old.guests()
    guest.kill()
    done = finish(process)

    assert done.status == 3
    assert "kept: lab compare --run" in done.err
    assert "Traceback" not in done.err
    run_id = finished_trials(old)[0].parents[2].name
    assert old.run("compare", "--run", run_id, "--json").json["cells"][0]["trials"] == len(finished_trials(old))
    assert old.well("status", "old", "--json").json["machines"]["old"]["state"] == "halted"


def test_a_guest_that_hangs_does_not_hang_the_lab(old: TestLab) -> None:
    """It is given up after a bound, said to be running without an answer, and can be destroyed."""
    (guest,) = old.guests()
    guest.send_signal(signal.SIGSTOP)

    done = old.run("run", "old", "-s", "baseline", "-n", "1")
    assert done.status == 3
    assert "could not log in" in done.err

    assert "lab destroy old" in done.err
    old.well("destroy", "old")
    assert old.guests() == []


def test_a_guest_that_hangs_after_a_login_does_not_hang_the_lab(old: TestLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command begins and no file is written any more; paramiko by itself would wait an hour for that."""
    monkeypatch.setattr(ssh, "LOGIN_BOUND_S", 3.0)
    monkeypatch.setattr(ssh, "COMMAND_BOUND_S", 3.0)
    home = Home(old.home, Home.from_environment().cache, old.home / "no-config.toml")
    with Session(home, Work()) as session:
        (machine,) = session.as_they_are(find.machines(MACHINES, ["old"]))
        shell = session.shell(machine)
        shell.put(b"", "before")
        (guest,) = old.guests()
        guest.send_signal(signal.SIGSTOP)

        with pytest.raises(BrokenEnvironment, match="could not write after"):
            shell.put(b"x", "after")
        with pytest.raises(BrokenEnvironment, match="could not run true over SSH: Timeout"):
            shell.ask(["true"])


def test_a_connection_that_is_cut_ends_the_run_and_not_the_machine(old: TestLab) -> None:
    """The next run works: what the cut one left in the guest is put back first."""
    process = start_stalling_run(old)
    old.ask("old", "kill $(ps -o ppid= -C lanes)")  # sshd's process for this connection
    done = finish(process)
    assert done.status == 3
    assert "Traceback" not in done.err

    again = old.run("run", "old", "-s", "nfqueue", "-n", "1", "--json")
    assert again.status == 0, again.err
    assert again.json["cells"][0]["stalled"] == 1


def test_ctrl_c_in_a_run_keeps_what_is_finished_and_leaves_the_guest_tidy(old: TestLab) -> None:
    """No verdict program, no hook and no half trial stay behind."""
    done = interrupt(start_stalling_run(old))

    assert done.status == 130
    assert "kept: lab compare --run" in done.err
    assert list(old.home.glob("runs/*/*/*/.*")) == []
    assert old.run("ssh", "old", "--", "pgrep user.out").status == 1
    assert old.run("ssh", "old", "--", "[ -e /sys/module/nfqdns ]").status == 1
    assert old.well("run", "old", "-s", "baseline", "-n", "1").status == 0


def test_ctrl_c_in_the_demo_leaves_no_guest(fresh: TestLab) -> None:
    """Machines that only the demo wanted go with it; its finished trials stay."""
    process = fresh.start("demo", "--json")
    wait_for(lambda: finished_trials(fresh), bound_s=120)
    done = interrupt(process)

    assert done.status == 130
    assert fresh.guests() == []
    assert not (fresh.home / "machines" / "old").exists()
    assert finished_trials(fresh)


@pytest.mark.parametrize("moment", ["disk.qcow2", "started.json", "console.log", "provisioning"])
def test_ctrl_c_in_up_leaves_no_guest(fresh: TestLab, moment: str) -> None:
    """At whatever moment: before, while and after QEMU starts."""
    process = fresh.start("up", "old", "new")
    if moment == "provisioning":
        wait_for(lambda: "booting" in (steps := fresh.steps()) and "setting up the test network" in steps)
    else:
        wait_for((fresh.home / "machines" / "old" / moment).exists)
    done = interrupt(process)

    assert done.status == 130
    assert "Traceback" not in done.err
    assert fresh.guests() == []


def test_two_commands_at_once_take_turns(old: TestLab) -> None:
    """The second says for whom it waits, and both end well."""
    first = old.start("run", "old", "-s", "nfqueue", "-n", "2", "--json")
    wait_for((old.home / "machines" / "old.holder").exists)
    second = old.run("run", "old", "-s", "baseline", "-n", "1", "--json")

    assert second.status == 0, second.err
    assert f"waiting for 'lab run old -s nfqueue -n 2 --json' (process {first.pid})" in second.err
    assert finish(first).status == 0


def test_a_port_that_is_taken_is_named(fresh: TestLab, tmp_path: Path) -> None:
    """For a machine that insists on a port; others get a free one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        machine = tmp_path / "insists.toml"
        machine.write_text(
            f'era = "relookup"\nssh_port = {port}\n[debian]\ntitle = "t"\nkernel = "6.1"\nrewound = false\n'
        )
        done = fresh.run("up", str(machine))

    assert done.status == 3
    assert f"port {port} on 127.0.0.1 is taken" in done.err
    assert fresh.guests() == []


def test_a_machine_without_qemu_is_told_what_to_install(fresh: TestLab, tmp_path: Path) -> None:
    """One line that names the package, and doctor says the same."""
    fresh.environment["PATH"] = str(tmp_path)
    done = fresh.run("up", "old")
    assert done.status == 3
    assert "qemu-system-x86_64 is not installed" in done.err
    assert "apt-get install qemu-system-x86" in done.err

    doctor = fresh.run("doctor", "--json")
    assert doctor.status == 3
    assert "qemu-system-x86" in doctor.json["mend"][0]


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system is mounted in a mount namespace of its own")
def test_no_space_is_said_before_anything_is_built(tmp_path: Path) -> None:
    """Not after a minute, and with figures."""
    mount = 'mount -t tmpfs -o size=50m tmpfs "$1" && LAB_CACHE="$1" LAB_HOME="$1" exec "$2" -m lab up old'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", tmp_path, sys.executable],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 3
    assert "no space" in done.stderr
    assert "MB are needed" in done.stderr


def test_an_image_build_that_is_stopped_leaves_nothing(fresh: TestLab, tmp_path: Path) -> None:
    """No half-made image is ever taken for one, and no builder runs on."""
    cache = tmp_path / "cache"
    fresh.environment["LAB_CACHE"] = str(cache)
    process = fresh.start("up", "old")
    wait_for(lambda: (cache / "build.log").exists() and "apt-get update" in (cache / "build.log").read_text())
    done = interrupt(process)

    assert done.status == 130
    assert list((cache / "images").iterdir()) == []
    assert list((cache / "bases").glob("*.tar")) in ([], list((cache / "bases").glob("*.unfinished.tar")))
    assert subprocess.run(["pgrep", "-f", str(cache)], check=False).returncode == 1


def test_the_probe_tells_an_accelerator_that_boots_a_guest_from_one_that_does_not(
    running: TestLab,
) -> None:
    """Whether KVM is believed depends on this; software emulation always boots, nonsense never."""
    image = booted_with(running)

    assert accelerator.boots("tcg", image.kernel("6.1"), Work(), bound_s=60)
    assert not accelerator.boots("nonsense", image.kernel("6.1"), Work(), bound_s=60)
    assert not accelerator.boots("tcg", image.initramfs("6.1"), Work(), bound_s=5)


def booted_with(lab: TestLab) -> Image:
    """Give the image that the lab's guests use."""
    arguments = lab.guests()[0].cmdline()
    return Image(Path(arguments[arguments.index("-kernel") + 1]).parent)
