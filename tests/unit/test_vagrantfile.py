"""What Vagrant is told, compared with files that a person has read.

`python -m tests.unit.test_vagrantfile` writes those files anew, for `git diff` to show.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.machine import Box, CentOS, Debian, Hypervisor, Machine
from lab.home import MACHINES
from lab.provider.choice import FOR_CENTOS, FOR_REPLICAS
from lab.provider.vagrant import TEMPLATE
from lab.provider.vagrantfile import DirectKernel, Setting, render

GOLDEN = Path(__file__).parents[1] / "golden"

VARIATIONS = [
    (Hypervisor.VIRTUALBOX, "centos", True),
    *((hypervisor, "centos", accelerated) for hypervisor in FOR_CENTOS[1:] for accelerated in (True, False)),
    *((hypervisor, "replica", accelerated) for hypervisor in FOR_REPLICAS for accelerated in (True, False)),
]
"""Every hypervisor with every system it can run, with and without hardware virtualisation (VirtualBox: with)."""


def name_of(hypervisor: Hypervisor, system: str, *, accelerated: bool) -> str:
    """Name a variation, and its file."""
    return f"{hypervisor}-{system}-{'accelerated' if accelerated else 'emulated'}"


def rendered(
    hypervisor: Hypervisor,
    system: str,
    *,
    accelerated: bool,
    box: Box | None = None,
    key_file: Path = Path("/lab/keys/login"),
) -> str:
    """Render a variation for the machine old."""
    machine = old(system)
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
    """Give the machine old on one of its systems."""
    (definition,) = find.machines(MACHINES, ["old"])
    chosen = definition.centos if system == "centos" else definition.debian
    assert chosen is not None
    return definition.on(chosen)


def _kernel() -> DirectKernel:
    return DirectKernel(Path("/lab/vmlinuz"), Path("/lab/initramfs"), "console=ttyS0 quiet", Path("/lab/console.log"))


@pytest.mark.parametrize(("hypervisor", "system", "accelerated"), VARIATIONS)
def test_every_variation_is_as_it_was_read(hypervisor: Hypervisor, system: str, accelerated: bool) -> None:  # noqa: FBT001
    """A change of the template shows in every file that it changes."""
    golden = GOLDEN / f"{name_of(hypervisor, system, accelerated=accelerated)}.Vagrantfile"

    assert rendered(hypervisor, system, accelerated=accelerated) == golden.read_text()


@pytest.mark.parametrize(("hypervisor", "system", "accelerated"), VARIATIONS)
def test_no_guest_is_reached_but_over_loopback(hypervisor: Hypervisor, system: str, accelerated: bool) -> None:  # noqa: FBT001
    """One port is forwarded, on 127.0.0.1, whoever forwards it; nothing of the host is mounted."""
    text = rendered(hypervisor, system, accelerated=accelerated)

    by_vagrant = [line for line in text.splitlines() if '"forwarded_port"' in line]
    by_qemu = re.findall(r"hostfwd=[^,\"]*", text)
    assert len(by_vagrant) + len(by_qemu) == 1
    assert all('host: 50022, host_ip: "127.0.0.1"' in line for line in by_vagrant)
    assert all(rule == "hostfwd=tcp:127.0.0.1:50022-:22" for rule in by_qemu)
    # The plugin vagrant-qemu forwards a port of its own wherever it has a card of its own (its driver.rb).
    assert hypervisor is not Hypervisor.QEMU or "qemu.net_device = nil\n" in text
    addresses = set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text))
    assert addresses == {"127.0.0.1"}
    assert 'config.vm.synced_folder ".", "/vagrant", disabled: true' in text


def test_values_are_quoted_for_ruby() -> None:
    """A path or an address may hold what Ruby would take for code."""
    box = Box(name="a/b", url="https://example.org/it's%20a/$box", hypervisors=(Hypervisor.VIRTUALBOX,))
    text = rendered(Hypervisor.VIRTUALBOX, "centos", accelerated=True, box=box, key_file=Path('/lab/"#{`id`}/login'))

    assert '"https://example.org/it\'s%20a/$box"' in text
    assert '"/lab/\\"\\#{`id`}/login"' in text


def main() -> None:
    """Write the files anew."""
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.glob("*.Vagrantfile"):
        path.unlink()
    for hypervisor, system, accelerated in VARIATIONS:
        name = name_of(hypervisor, system, accelerated=accelerated)
        (GOLDEN / f"{name}.Vagrantfile").write_text(rendered(hypervisor, system, accelerated=accelerated))


if __name__ == "__main__":
    main()
