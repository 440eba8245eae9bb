"""Real Vagrant parses every Vagrantfile that the lab can render."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest

from lab.catalogue.machine import Hypervisor
from lab.foundation import keys
from lab.foundation.work import Work
from lab.provider.base import free_port
from lab.provider.own_box import TEMPLATE as BOX_TEMPLATE
from lab.provider.vagrant import LOGIN_SCRIPT, VAGRANT_PROVIDER
from lab.provider.vagrantfile import render_box
from tests.unit.test_vagrantfile import VARIATIONS, rendered, without_virtio

BLOCK_CHECK = Path(__file__).parent / "validate_block.rb"


def run(directory: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command with a separate Vagrant home."""
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
    """Write a Vagrantfile to a directory in which every file it names exists."""
    machine = directory / "machine"
    machine.mkdir()
    shutil.copy(LOGIN_SCRIPT, machine / "login.sh")
    (machine / "Vagrantfile").write_text(text)
    return machine


def checks(hypervisor: Hypervisor, system: str) -> list[tuple[str | Path, ...]]:
    """Return commands that validate a variation as far as possible here; each accepts it or names the fault."""
    by_vagrant, provider = ("vagrant", "validate"), VAGRANT_PROVIDER[hypervisor]
    if provider == "libvirt" and system == "centos":
        return [by_vagrant]
    # The plugin asks a running libvirt about a network card of the host, and none need run
    # here; VirtualBox and vagrant-qemu are not installed, but Vagrant itself parses VirtualBox's block.
    by_class: list[tuple[str | Path, ...]] = [("ruby", BLOCK_CHECK, ".", "old", provider)] if provider != "qemu" else []
    return [(*by_vagrant, "--ignore-provider"), *by_class]


@pytest.mark.parametrize(("hypervisor", "system", "accelerated"), VARIATIONS)
def test_vagrant_accepts_every_variation(
    tmp_path: Path,
    hypervisor: Hypervisor,
    system: str,
    accelerated: bool,  # noqa: FBT001
) -> None:
    """The provider's own block is included, except vagrant-qemu's."""
    login = keys.ensure(tmp_path / "keys" / "login").private
    machine = write(tmp_path, rendered(hypervisor, system, accelerated=accelerated, key_file=login))
    for check in checks(hypervisor, system):
        result = run(machine, *check)
        assert result.returncode == 0, result.stdout + result.stderr
    assert run(machine, "ruby", "-wc", "Vagrantfile").stderr == ""


def test_vagrant_accepts_the_devices_of_a_pc(tmp_path: Path) -> None:
    """The plugin has each of these settings."""
    login = keys.ensure(tmp_path / "keys" / "login").private
    text = rendered(Hypervisor.LIBVIRT, "centos", accelerated=True, key_file=login, machine=without_virtio())
    result = run(write(tmp_path, text), "vagrant", "validate")

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("hypervisor", "system"),
    [(Hypervisor.LIBVIRT, "centos"), (Hypervisor.LIBVIRT_SESSION, "replica"), (Hypervisor.VIRTUALBOX, "centos")],
)
def test_a_setting_unknown_to_the_provider_is_reported(tmp_path: Path, hypervisor: Hypervisor, system: str) -> None:
    """Every check would report a misspelt setting."""
    login = keys.ensure(tmp_path / "keys" / "login").private
    block = VAGRANT_PROVIDER[hypervisor]
    text = rendered(hypervisor, system, accelerated=True, key_file=login)
    machine = write(tmp_path, text.replace(f"{block}.memory", f"{block}.memroy"))
    result = run(machine, *checks(hypervisor, system)[-1])

    assert result.returncode == 1
    assert "memroy" in result.stderr


@pytest.mark.parametrize(
    ("hypervisor", "system"), [(Hypervisor.QEMU, "centos"), (Hypervisor.LIBVIRT_SESSION, "replica")]
)
def test_qemu_listens_only_on_loopback(hypervisor: Hypervisor, system: str) -> None:
    """Real QEMU, without a guest, accepts the network card and opens exactly the configured port."""
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
    """Return the addresses on which a process listens."""
    connections = psutil.Process(pid).net_connections(kind="inet")
    return [
        (str(connection.laddr.ip), int(connection.laddr.port))
        for connection in connections
        if connection.status == psutil.CONN_LISTEN
    ]


def test_vagrant_accepts_the_metadata_of_the_labs_box(tmp_path: Path) -> None:
    """It is parsed with every machine made from the box."""
    text = render_box(BOX_TEMPLATE, "vmlinuz-6.1", "initramfs-6.1", "console=ttyS0")
    (tmp_path / "box").mkdir()
    machine = write(tmp_path / "box", text.replace("|config|", '|config|\n  config.vm.box = "a/b"', 1))
    result = run(machine, "vagrant", "validate", "--ignore-provider")

    assert result.returncode == 0, result.stdout + result.stderr
