"""Real Vagrant reads every Vagrantfile that the lab can render."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest

from lab import keys
from lab.catalogue.machine import Hypervisor
from lab.provider.base import free_port
from lab.provider.own_box import TEMPLATE as BOX_TEMPLATE
from lab.provider.vagrant import LOGIN_SCRIPT, VAGRANT_PROVIDER
from lab.provider.vagrantfile import render_box
from lab.work import Work
from tests.unit.test_vagrantfile import VARIATIONS, rendered

BLOCK_CHECK = Path(__file__).parent / "validate_block.rb"


def run(directory: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command with a Vagrant home of its own."""
    home = directory.parent / "vagrant-home"
    return subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "HOME": str(home), "VAGRANT_HOME": str(home), "VAGRANT_DEFAULT_PROVIDER": "libvirt"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def write(directory: Path, text: str) -> Path:
    """Write a Vagrantfile where everything that it names is."""
    machine = directory / "machine"
    machine.mkdir()
    shutil.copy(LOGIN_SCRIPT, machine / "login.sh")
    (machine / "Vagrantfile").write_text(text)
    return machine


def checks(hypervisor: Hypervisor, system: str) -> list[tuple[str | Path, ...]]:
    """Give the commands that check a variation as far as can be here; each takes it or names what is wrong with it."""
    by_vagrant, provider = ("vagrant", "validate"), VAGRANT_PROVIDER[hypervisor]
    if provider == "libvirt" and system == "centos":
        return [by_vagrant]
    # Each for its own reason: for a network card of the host's the plugin asks a libvirt that runs, which there need
    # not be; VirtualBox and vagrant-qemu are not there, but Vagrant itself has what reads VirtualBox's block.
    by_class: list[tuple[str | Path, ...]] = [("ruby", BLOCK_CHECK, ".", "old", provider)] if provider != "qemu" else []
    return [(*by_vagrant, "--ignore-provider"), *by_class]


@pytest.mark.parametrize(("hypervisor", "system", "accelerated"), VARIATIONS)
def test_vagrant_takes_every_variation(
    tmp_path: Path,
    hypervisor: Hypervisor,
    system: str,
    accelerated: bool,  # noqa: FBT001
) -> None:
    """With the provider's own block, but for vagrant-qemu's."""
    login = keys.ensure(tmp_path / "keys" / "login").private
    machine = write(tmp_path, rendered(hypervisor, system, accelerated=accelerated, key_file=login))
    for check in checks(hypervisor, system):
        done = run(machine, *check)
        assert done.returncode == 0, done.stdout + done.stderr
    assert run(machine, "ruby", "-wc", "Vagrantfile").stderr == ""


@pytest.mark.parametrize(
    ("hypervisor", "system"),
    [(Hypervisor.LIBVIRT, "centos"), (Hypervisor.LIBVIRT_SESSION, "replica"), (Hypervisor.VIRTUALBOX, "centos")],
)
def test_a_setting_that_the_provider_does_not_have_is_told(tmp_path: Path, hypervisor: Hypervisor, system: str) -> None:
    """Each way to check would tell a misspelt one."""
    login = keys.ensure(tmp_path / "keys" / "login").private
    block = VAGRANT_PROVIDER[hypervisor]
    text = rendered(hypervisor, system, accelerated=True, key_file=login)
    machine = write(tmp_path, text.replace(f"{block}.memory", f"{block}.memroy"))
    done = run(machine, *checks(hypervisor, system)[-1])

    assert done.returncode == 1
    assert "memroy" in done.stderr


@pytest.mark.parametrize(
    ("hypervisor", "system"), [(Hypervisor.QEMU, "centos"), (Hypervisor.LIBVIRT_SESSION, "replica")]
)
def test_qemu_listens_on_loopback_only_with_the_network_that_it_is_given(hypervisor: Hypervisor, system: str) -> None:
    """Real QEMU, without a guest, takes the network card as it is written, and opens its one port where it is told."""
    port = free_port()
    text = rendered(hypervisor, system, accelerated=False).replace("50022", str(port))
    network = re.findall(r'"(user,id=lab,.*|virtio-net-pci,netdev=lab.*)"', text)
    assert len(network) == 2
    machine = ["-machine", "pc", "-S", "-nodefaults", "-display", "none"]
    arguments = [*machine, "-netdev", network[0], "-device", network[1]]
    process = subprocess.Popen(["qemu-system-x86_64", *arguments], stdin=subprocess.DEVNULL)
    try:
        Work().wait_until(lambda: process.poll() is not None or listening(process.pid), 60)
        assert listening(process.pid) == [("127.0.0.1", port)]
    finally:
        process.kill()
        process.wait()


def listening(pid: int) -> list[tuple[str, int]]:
    """Give where a process listens."""
    connections = psutil.Process(pid).net_connections(kind="inet")
    return [
        (str(connection.laddr.ip), int(connection.laddr.port))
        for connection in connections
        if connection.status == psutil.CONN_LISTEN
    ]


def test_vagrant_takes_what_the_lab_s_box_says_of_itself(tmp_path: Path) -> None:
    """It is read with every machine made of the box."""
    text = render_box(BOX_TEMPLATE, "vmlinuz-6.1", "initramfs-6.1", "console=ttyS0")
    (tmp_path / "box").mkdir()
    machine = write(tmp_path / "box", text.replace("|config|", '|config|\n  config.vm.box = "a/b"', 1))
    done = run(machine, "vagrant", "validate", "--ignore-provider")

    assert done.returncode == 0, done.stdout + done.stderr
