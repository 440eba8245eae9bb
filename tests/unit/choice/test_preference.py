"""What the command line, the environment and the configuration ask for, and which of them decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.catalogue.machine import Hypervisor
from lab.foundation.errors import BadInput
from lab.provider import choice
from lab.provider.choice import decide
from lab.provider.preference import Preference, TypedOptions, gather
from tests.unit.choice.made_hosts import ALL_KERNELS, CENTOS, KERNEL, NO_KERNELS, QEMU, REPLICA, VAGRANT, Host, machine


@pytest.mark.parametrize("system", [None, "kernel", "centos"])
@pytest.mark.parametrize("replica", [True, False])
def test_the_replica_option_means_system_replica(system: str | None, replica: bool) -> None:  # noqa: FBT001
    """`--replica` equals `--system replica` and contradicts any other system."""
    if replica and system:
        with pytest.raises(BadInput, match=f"--system is '{system}', and --replica asks for replicas"):
            gather(TypedOptions(system=system, replica=replica), Path("/nonexistent"))
        return
    preference = gather(TypedOptions(system=system, replica=replica), Path("/nonexistent"))
    assert preference.system == (REPLICA if replica else system)
    assert preference.insists_on_system == (replica or system is not None)
    if replica:
        decision = decide(machine("old"), preference, Host(), ALL_KERNELS)
        assert (decision.system, decision.provider, decision.reason) == (REPLICA, QEMU, "--replica asks for it")


def test_no_replica_overrides_the_configuration_and_contradicts_typed_replica(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line has priority; another configured system is kept."""
    config = tmp_path / "config.toml"
    config.write_text("replica = true\n")
    assert gather(TypedOptions(), config).system is REPLICA
    assert gather(TypedOptions(replica=False), config).system is None
    monkeypatch.setenv("LAB_SYSTEM", "kernel")
    assert gather(TypedOptions(replica=False), config).system is KERNEL
    with pytest.raises(BadInput, match="--no-replica and --system replica contradict each other"):
        gather(TypedOptions(system="replica", replica=False), config)


def test_command_line_overrides_environment_overrides_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names the source that decided."""
    config = tmp_path / "config.toml"
    assert gather(TypedOptions(), config) == Preference()

    config.write_text('provider = "vagrant"\nhypervisor = "virtualbox"\nsystem = "replica"\n')
    by_file = gather(TypedOptions(), config)
    assert (by_file.provider, by_file.hypervisor, by_file.system) == (VAGRANT, Hypervisor.VIRTUALBOX, REPLICA)
    assert (by_file.asked_by, by_file.system_asked_by) == (str(config), str(config))

    monkeypatch.setenv("LAB_PROVIDER", "qemu")
    monkeypatch.setenv("LAB_SYSTEM", "kernel")
    by_environment = gather(TypedOptions(), config)
    assert (by_environment.asked_by, by_environment.system_asked_by) == ("LAB_PROVIDER", "LAB_SYSTEM")
    by_command_line = gather(TypedOptions("vagrant", system="centos"), config)
    assert (by_command_line.asked_by, by_command_line.system_asked_by) == ("--provider", "--system")
    assert (by_command_line.provider, by_command_line.system) == (VAGRANT, CENTOS)
    assert by_command_line.insists_on_system
    assert not by_environment.insists_on_system


def test_between_conflicting_system_and_provider_the_stronger_source_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was typed is never refused because of the configuration."""
    config = tmp_path / "config.toml"
    config.write_text('provider = "vagrant"\nhypervisor = "libvirt"\n')
    preference = gather(TypedOptions(system="kernel"), config)
    assert (preference.system, preference.provider, preference.hypervisor) == (KERNEL, None, None)
    assert decide(machine("old"), preference, Host(), ALL_KERNELS).system is KERNEL

    monkeypatch.setenv("LAB_SYSTEM", "kernel")
    assert gather(TypedOptions(), config).system is KERNEL
    for typed_options in (TypedOptions("vagrant"), TypedOptions(hypervisor="libvirt")):
        preference = gather(typed_options, config)
        assert (preference.system, preference.provider) == (None, VAGRANT)
        assert decide(machine("old"), preference, Host(), ALL_KERNELS).system is CENTOS

    config.write_text('system = "kernel"\nhypervisor = "libvirt"\n')
    monkeypatch.delenv("LAB_SYSTEM")
    assert gather(TypedOptions(), config).system is KERNEL


def test_a_source_that_contradicts_itself_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither value is guessed, whichever source has both."""
    config = tmp_path / "config.toml"
    with pytest.raises(BadInput, match="--provider qemu has no hypervisor to choose, and --hypervisor is 'libvirt'"):
        gather(TypedOptions("qemu", "libvirt"), config)
    with pytest.raises(BadInput, match="only qemu brings up the system kernel, and --hypervisor asks for Vagrant"):
        gather(TypedOptions(hypervisor="libvirt", system="kernel"), config)
    with pytest.raises(BadInput, match="only vagrant brings up the system centos, and --provider is qemu"):
        gather(TypedOptions("qemu", system="centos"), config)
    monkeypatch.setenv("LAB_SYSTEM", "kernel")
    monkeypatch.setenv("LAB_PROVIDER", "vagrant")
    with pytest.raises(BadInput, match="only qemu brings up the system kernel, and LAB_PROVIDER is vagrant"):
        gather(TypedOptions(), config)
    monkeypatch.delenv("LAB_SYSTEM")
    monkeypatch.delenv("LAB_PROVIDER")
    config.write_text('system = "kernel"\nprovider = "vagrant"\nhypervisor = "libvirt"\n')
    with pytest.raises(
        BadInput, match=r"only qemu brings up the system kernel, and .*config\.toml: provider is vagrant"
    ):
        gather(TypedOptions(), config)
    config.write_text('system = "kernel"\nreplica = true\n')
    with pytest.raises(BadInput, match=r"config\.toml: system is 'kernel', and replica = true asks for replicas"):
        gather(TypedOptions(), config)


def test_a_hypervisor_implies_vagrant_unless_a_stronger_source_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that was typed is ignored silently, and typed again it gives the same result."""
    config = tmp_path / "config.toml"
    config.write_text('provider = "qemu"\nhypervisor = "virtualbox"\nreplica = true\n')
    for standing in (None, "qemu"):
        monkeypatch.setenv("LAB_PROVIDER", standing or "")
        by_hypervisor = gather(TypedOptions(hypervisor="libvirt"), config)
        assert (by_hypervisor.provider, by_hypervisor.hypervisor) == (VAGRANT, Hypervisor.LIBVIRT)
        assert by_hypervisor.asked_by == "--hypervisor"
        embedded = gather(TypedOptions(), config)
        assert (embedded.provider, embedded.hypervisor) == (QEMU, None)

    by_provider = gather(TypedOptions("vagrant"), config)
    assert (by_provider.provider, by_provider.hypervisor) == (VAGRANT, Hypervisor.VIRTUALBOX)
    there = decide(machine("old"), by_hypervisor, Host(), NO_KERNELS)
    assert choice.satisfies(machine("old"), there, by_hypervisor)
    by_qemu = gather(TypedOptions("qemu"), config)
    assert choice.satisfies(machine("old"), decide(machine("old"), by_qemu, Host(), NO_KERNELS), by_qemu)


def test_an_unknown_name_is_reported_with_the_valid_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This holds for every source, for the file with its line. A value that cannot be chosen counts as unknown."""
    config = tmp_path / "config.toml"
    with pytest.raises(BadInput, match="--provider is 'docker'; possible values: qemu, vagrant"):
        gather(TypedOptions("docker"), config)
    with pytest.raises(BadInput, match="--system is 'debian'; possible values: centos, kernel, replica"):
        gather(TypedOptions(system="debian"), config)
    monkeypatch.setenv("LAB_SYSTEM", "real")
    with pytest.raises(BadInput, match="LAB_SYSTEM is 'real'; possible values: centos, kernel, replica"):
        gather(TypedOptions(), config)
    monkeypatch.setenv("LAB_SYSTEM", "")
    monkeypatch.setenv("LAB_HYPERVISOR", "xen")
    with pytest.raises(BadInput, match="LAB_HYPERVISOR is 'xen'; possible values: virtualbox, libvirt"):
        gather(TypedOptions(), config)
    config.write_text("\nprovider = 3\n")
    with pytest.raises(BadInput, match=r"config\.toml:2: provider"):
        gather(TypedOptions(), config)
    monkeypatch.setenv("LAB_HYPERVISOR", "")
    config.write_text('system = "host"\n')
    with pytest.raises(BadInput, match=r"config\.toml: system is 'host'; possible values: centos, kernel, replica"):
        gather(TypedOptions(), config)
