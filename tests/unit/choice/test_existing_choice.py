"""The stored choice of an existing machine, and whether it is what the command line asks for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.catalogue.machine import Hypervisor, System
from lab.provider import choice
from lab.provider.choice import Choice, decide
from lab.provider.preference import Preference
from tests.unit.choice.made_hosts import (
    CENTOS,
    DEBIAN,
    KERNEL,
    NO_KERNELS,
    QEMU,
    REPLICA,
    VAGRANT,
    Host,
    machine,
    typed,
)


def test_an_existing_machine_is_compared_with_the_command_line_only() -> None:
    """A config file changed since then does not make every command fail."""
    there = Choice(provider=VAGRANT, hypervisor=Hypervisor.LIBVIRT, system=CENTOS, reason="")

    old = machine("old")
    assert choice.satisfies(old, there, Preference(QEMU, asked_by="config.toml"))
    assert choice.satisfies(old, there, Preference(system=KERNEL, system_asked_by="config.toml"))
    assert choice.satisfies(old, there, typed(VAGRANT))
    assert choice.satisfies(old, there, typed(system=CENTOS))
    assert not choice.satisfies(old, there, typed(QEMU))
    assert not choice.satisfies(old, there, typed(VAGRANT, Hypervisor.VIRTUALBOX))
    assert not choice.satisfies(old, there, typed(VAGRANT, system=REPLICA))
    assert not choice.satisfies(old, there, typed(system=KERNEL))


def test_an_existing_machine_never_passes_for_another_system() -> None:
    """Vagrant without a system means CentOS, also for an existing machine."""
    old = machine("old")
    by_vagrant = Choice(provider=VAGRANT, hypervisor=Hypervisor.LIBVIRT, system=REPLICA, reason="")
    assert not choice.satisfies(old, by_vagrant, typed(VAGRANT))
    assert choice.satisfies(old, by_vagrant, typed(VAGRANT, system=REPLICA))
    assert choice.satisfies(old, by_vagrant, Preference())
    assert choice.satisfies(machine("today"), by_vagrant, typed(VAGRANT))

    own, replica, debian = (Choice(provider=QEMU, system=system, reason="") for system in (KERNEL, REPLICA, DEBIAN))
    assert choice.satisfies(old, own, typed(system=KERNEL))
    assert choice.satisfies(old, own, typed(QEMU))
    assert not choice.satisfies(old, own, typed(system=REPLICA))
    assert not choice.satisfies(old, replica, typed(system=KERNEL))
    assert choice.satisfies(machine("today"), debian, typed(system=REPLICA))


def test_a_stored_choice_is_restored_and_a_damaged_one_ignored(tmp_path: Path) -> None:
    """The choice exists as long as the machine."""
    path = tmp_path / "old" / "choice.json"
    decision = decide(machine("old"), Preference(), Host(), NO_KERNELS)
    choice.store(path, decision)
    assert choice.stored(path) == decision

    path.write_text("{")
    assert choice.stored(path) is None


@pytest.mark.parametrize(("is_centos", "system", "title"), [(True, CENTOS, "CentOS 7.0 (3"), (False, REPLICA, "connt")])
def test_a_choice_of_an_older_lab_is_read(tmp_path: Path, is_centos: bool, system: System, title: str) -> None:  # noqa: FBT001
    """An existing machine must not be lost, nor anything that Vagrant stores about it."""
    path = tmp_path / "choice.json"
    older = {"provider": "vagrant", "hypervisor": "libvirt", "centos": is_centos, "reason": "--provider asks for it"}
    path.write_text(json.dumps(older))

    choice_read = choice.stored(path)

    assert choice_read is not None
    assert (choice_read.system, choice_read.hypervisor, choice_read.reason) == (
        system,
        Hypervisor.LIBVIRT,
        "--provider asks for it",
    )
    assert choice.applied(machine("old"), choice_read).title.startswith(title)
