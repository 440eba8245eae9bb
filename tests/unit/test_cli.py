"""The command line: what it says of bad input, and in which form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command_line import lab


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["up", "olf"], "new, old, today"),
        (["run", "old", "-s", "nonsense"], "there are: baseline, dnat, nfqueue, "),
        (
            ["run", "--nonsense"],
            "--evidence, --target, --nameserver, --into, --trace, --json, --quiet, --help",
        ),
        (["nonsense"], "there are: doctor, up, status, halt, destroy, ssh, run, "),
        (["run", "old", "-n", "0"], "0 is not in the range"),
        (["run", "old", "-n", "x"], "not a valid integer"),
        (["compare", "--run", "nonsense"], "none is stored yet"),
        (["compare", "old"], "nothing to compare"),
        (["show", "nonsense"], "none is stored yet"),
        (["check", "root@"], "no [user@]host[:port]"),
        (["check", "-i", "/nonexistent"], "does not exist"),
        (["show"], "no run is stored yet"),
        (["ssh"], "which machine?"),
        (["kernel", "add", "nowhere.deb"], "nowhere.deb: there is no such file or directory"),
        (["kernel", "remove", "nonsense"], "no kernel is called 'nonsense'; none was added yet"),
        (["kernel", "nonsense"], "there are: add, list, remove"),
        (["run", "--kernel", "nonsense"], "no kernel is called 'nonsense'"),
        (["classify", "nonsense"], "new, old, today"),
    ],
)
def test_bad_input_is_one_line_that_names_what_is_valid(tmp_path: Path, arguments: list[str], named: str) -> None:
    """Exit status 2, nothing on standard output, no traceback."""
    done = lab(tmp_path, *arguments)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("lab: ")
    assert named in done.stderr.splitlines()[0]


def test_an_error_is_json_too_when_asked_for(tmp_path: Path) -> None:
    """A script gets what a person gets."""
    done = lab(tmp_path, "up", "olf", "--json")

    assert done.returncode == 2
    assert json.loads(done.stdout) == {
        "schema": 1,
        "error": {
            "message": "no machine is called 'olf'; there are: new, old, today",
            "hint": "did you mean 'old'?",
            "evidence": None,
        },
    }


def test_a_machine_that_is_not_up_is_exit_status_3_with_the_next_step(tmp_path: Path) -> None:
    """The environment is not ready, which is no fault of the input."""
    done = lab(tmp_path, "run", "old")

    assert done.returncode == 3
    assert "old is absent, not running" in done.stderr
    assert "lab up old" in done.stderr


def test_a_run_without_any_machine_is_told_how_to_get_one(tmp_path: Path) -> None:
    """No names mean all machines that run."""
    done = lab(tmp_path, "run")

    assert done.returncode == 3
    assert "no machine is running" in done.stderr
    assert "lab up old new" in done.stderr


@pytest.mark.parametrize("verb", ["up", "ssh", "run", "compare", "classify", "kernel", "kernel add"])
def test_help_shows_examples(tmp_path: Path, verb: str) -> None:
    """An example says more than a list of options."""
    done = lab(tmp_path, *verb.split(), "--help")

    assert done.returncode == 0
    assert "Examples:" in done.stdout


def test_status_needs_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """Asking changes nothing: no directory of a machine appears."""
    done = lab(tmp_path, "status", "--json")

    assert done.returncode == 0
    assert {machine["state"] for machine in json.loads(done.stdout)["machines"].values()} == {"absent"}
    assert not (tmp_path / "machines").exists()


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """Not a traceback."""
    (tmp_path / "file").write_text("")
    done = lab(tmp_path / "file", "up", "old")

    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "file") in done.stderr


def test_a_destroy_of_nothing_does_nothing(tmp_path: Path) -> None:
    """Idempotent, as everything that tidies up."""
    assert lab(tmp_path, "destroy").returncode == 0
    assert lab(tmp_path, "halt", "old").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "there"),
    [
        ([], ["config.vm.box", "virtualbox.memory", "kernel-3.10.0-123.el7.x86_64", "grubby --set-default", "reboot"]),
        (
            ["--hypervisor", "libvirt"],
            ['libvirt.driver = "', 'config.vm.box = "centos/7"', "gpgcheck=1", "/7.8.2003/os"],
        ),
        (["--replica"], ["libvirt.qemu_use_session = true", "hostfwd=tcp:127.0.0.1:"]),
        (["--trace", "stap"], ["systemtap", "kernel-debuginfo-3.10.0-123.el7.x86_64"]),
    ],
)
def test_a_dry_run_prints_all_that_would_be_done_and_does_nothing(
    tmp_path: Path, arguments: list[str], there: list[str]
) -> None:
    """Where it cannot be had, too, which is said; long lines are whole, to be copied."""
    asked = ["up", "old", "--provider", "vagrant", "--dry-run", *arguments]
    done = lab(tmp_path, *asked, PATH=str(tmp_path))

    assert done.returncode == 0, done.stderr
    for text in there:
        assert text in done.stdout
    assert not (tmp_path / "machines").exists()
    said = " ".join(done.stdout.split())
    assert "asks for it, but Vagrant cannot run the machine here: Vagrant is not installed" in said
    (plan,) = json.loads(lab(tmp_path, *asked, "--json", PATH=str(tmp_path)).stdout)["machines"].values()
    for line in (line for step in plan["steps"] for line in step["lines"]):
        assert line in done.stdout


def test_a_vagrant_that_is_too_old_is_said_so(tmp_path: Path) -> None:
    """With both versions; this one only says that it is old."""
    program = tmp_path / "bin" / "vagrant"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho Vagrant 1.9.1\n")
    program.chmod(0o755)
    done = lab(tmp_path, "up", "old", "--provider", "vagrant", PATH=f"{program.parent}:/usr/bin:/bin")

    assert done.returncode == 3
    assert "Vagrant is 1.9.1, older than 2.2.19" in done.stderr


def test_doctor_names_the_packages_that_bring_vagrant_and_only_those(tmp_path: Path) -> None:
    """As a command of its own, after the one for what the lab needs: it does without Vagrant."""
    for program in ("libvirtd", "virsh"):
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    done = json.loads(lab(tmp_path, "doctor", "--json", PATH=str(tmp_path)).stdout)

    assert done["mend"][-1].endswith("apt-get install --no-install-recommends vagrant vagrant-libvirt")
    assert not any("vagrant" in command for command in done["mend"][:-1])


def test_the_default_is_chosen_with_its_reason(tmp_path: Path) -> None:
    """Where Vagrant is missing, a replica by the embedded provider; nobody need ask for it."""
    done = lab(tmp_path, "up", "old", "--dry-run", PATH=str(tmp_path))

    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "old: conntrack as on CentOS 7.0 (3.10.0-123), a replica, by qemu: Vagrant is not installed" in said


def test_what_was_asked_for_and_there_is_not_is_named(tmp_path: Path) -> None:
    """By whoever asked."""
    assert "it can be: qemu, vagrant" in lab(tmp_path, "up", "old", "--provider", "docker").stderr
    assert "LAB_PROVIDER is 'docker'" in lab(tmp_path, "up", "old", LAB_PROVIDER="docker").stderr


@pytest.mark.parametrize(
    "aim",
    [
        ["--target", "www.example.com"],
        ["--nameserver", "192.0.2.53"],
        ["--target", "www.example.com", "--nameserver", "one.one"],
        ["--target", "a b; rm", "--nameserver", "192.0.2.53"],
    ],
)
def test_a_target_that_cannot_be_asked_for_is_refused_before_any_machine_is_touched(
    tmp_path: Path, aim: list[str]
) -> None:
    """A name and an address go together, and nothing else goes into a guest."""
    done = lab(tmp_path, "run", "old", *aim)

    assert done.returncode == 2
    assert "--target takes a host name and --nameserver an IPv4 address" in done.stderr
