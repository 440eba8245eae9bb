"""Rendered Vagrantfiles compared with reviewed files.

`python -m tests.unit.test_vagrantfile` rewrites those files for review with `git diff`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.machine import Box, CentOS, Debian, Hypervisor, Machine
from lab.foundation.home import MACHINES
from lab.provider.choice import FOR_CENTOS, FOR_REPLICAS
from lab.provider.vagrant import TEMPLATE
from lab.provider.vagrantfile import DirectKernel, Setting, render

GOLDEN = Path(__file__).parents[1] / "golden"

VARIATIONS = [
    (Hypervisor.VIRTUALBOX, "centos", True),
    *((hypervisor, "centos", accelerated) for hypervisor in FOR_CENTOS[1:] for accelerated in (True, False)),
    *((hypervisor, "replica", accelerated) for hypervisor in FOR_REPLICAS for accelerated in (True, False)),
]
"""Every hypervisor with every system that it runs, with and without hardware virtualisation (VirtualBox: with)."""


def name_of(hypervisor: Hypervisor, system: str, *, accelerated: bool) -> str:
    """Name a variation and its file."""
    return f"{hypervisor}-{system}-{'accelerated' if accelerated else 'emulated'}"


def rendered(  # noqa: PLR0913  each by name
    hypervisor: Hypervisor,
    system: str,
    *,
    accelerated: bool,
    box: Box | None = None,
    key_file: Path = Path("/lab/keys/login"),
    machine: Machine | None = None,
) -> str:
    """Render a variation for the machine old, or for another."""
    machine = machine or old(system)
    own = Box(
        name="five-second-lab/debian-0a1b2c3d",
        version="0.0.7",
        url="file:///lab/debian.json",
        hypervisors=(hypervisor,),
    )
    if isinstance(machine.system, CentOS):
        own = next(box for box in machine.system.boxes if hypervisor in box.hypervisors)
    setting = Setting(
        hypervisor=hypervisor,
        accelerated=accelerated,
        box=box or own,
        ssh_port=50022,
        key_file=key_file,
        public_key="ecdsa-sha2-nistp256 AAAA",
        prefix="five-second-lab-0a1b2c3d-",
        direct_kernel=_kernel() if isinstance(machine.system, Debian) else None,
    )
    return render(TEMPLATE, machine, setting)


def old(system: str) -> Machine:
    """Return the machine old on one of its systems."""
    (definition,) = find.machines(MACHINES, ["old"])
    chosen = definition.centos if system == "centos" else definition.debian
    assert chosen is not None
    return definition.on(chosen)


def without_virtio() -> Machine:
    """Return old on CentOS with a PC's devices and an old processor."""
    machine = old("centos")
    system = machine.system.model_copy(update={"disk": "sata", "network": "e1000"})
    return machine.model_copy(update={"system": system, "cpu": "SandyBridge"})


def _kernel() -> DirectKernel:
    return DirectKernel(Path("/lab/vmlinuz"), Path("/lab/initramfs"), "console=ttyS0 quiet", Path("/lab/console.log"))


@pytest.mark.parametrize(("hypervisor", "system", "accelerated"), VARIATIONS)
def test_every_variation_equals_its_reviewed_file(hypervisor: Hypervisor, system: str, accelerated: bool) -> None:  # noqa: FBT001
    """A template change shows in every affected file."""
    golden = GOLDEN / f"{name_of(hypervisor, system, accelerated=accelerated)}.Vagrantfile"

    assert rendered(hypervisor, system, accelerated=accelerated) == golden.read_text()


@pytest.mark.parametrize(("hypervisor", "system", "accelerated"), VARIATIONS)
def test_guests_are_reached_only_over_loopback(hypervisor: Hypervisor, system: str, accelerated: bool) -> None:  # noqa: FBT001
    """One port is forwarded on 127.0.0.1 by any provider; no host directory is mounted."""
    text = rendered(hypervisor, system, accelerated=accelerated)

    by_vagrant = [line for line in text.splitlines() if '"forwarded_port"' in line]
    by_qemu = re.findall(r"hostfwd=[^,\"]*", text)
    assert len(by_vagrant) + len(by_qemu) == 1
    assert all('host: 50022, host_ip: "127.0.0.1"' in line for line in by_vagrant)
    assert all(rule == "hostfwd=tcp:127.0.0.1:50022-:22" for rule in by_qemu)
    # The plugin vagrant-qemu forwards another port where it adds a network card (its driver.rb).
    assert hypervisor is not Hypervisor.QEMU or "qemu.net_device = nil\n" in text
    addresses = set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text))
    assert addresses == {"127.0.0.1"}
    assert 'config.vm.synced_folder ".", "/vagrant", disabled: true' in text


def test_a_kernel_without_virtio_gets_its_configured_devices() -> None:
    """Old kernels may lack virtio disk or network drivers; the machine's TOML file names others."""
    by_libvirt = rendered(Hypervisor.LIBVIRT, "centos", accelerated=True, machine=without_virtio())
    assert all(
        f"libvirt.{setting}\n" in by_libvirt
        for setting in (
            'machine_type = "pc"',
            'disk_bus = "sata"',
            'disk_device = "sda"',
            'nic_model_type = "e1000"',
            'cpu_mode = "custom"',
            'cpu_model = "SandyBridge"',
        )
    )
    by_qemu = rendered(Hypervisor.QEMU, "centos", accelerated=True, machine=without_virtio())
    assert '"-device", "e1000,netdev=lab",' in by_qemu
    assert 'qemu.cpu = "SandyBridge"' in by_qemu


def test_vagrant_vbguest_is_switched_off() -> None:
    """The plugin would install another kernel's headers from closed mirrors."""
    text = rendered(Hypervisor.VIRTUALBOX, "centos", accelerated=True)

    assert 'config.vbguest.auto_update = false if Vagrant.has_plugin?("vagrant-vbguest")\n' in text


def test_values_are_quoted_for_ruby() -> None:
    """A path or an address may contain Ruby syntax."""
    box = Box(name="a/b", url="https://example.org/it's%20a/$box", hypervisors=(Hypervisor.VIRTUALBOX,))
    text = rendered(Hypervisor.VIRTUALBOX, "centos", accelerated=True, box=box, key_file=Path('/lab/"#{`id`}/login'))

    assert '"https://example.org/it\'s%20a/$box"' in text
    assert '"/lab/\\"\\#{`id`}/login"' in text


def main() -> None:
    """Rewrite the files."""
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.glob("*.Vagrantfile"):
        path.unlink()
    for hypervisor, system, accelerated in VARIATIONS:
        name = name_of(hypervisor, system, accelerated=accelerated)
        (GOLDEN / f"{name}.Vagrantfile").write_text(rendered(hypervisor, system, accelerated=accelerated))


if __name__ == "__main__":
    main()
