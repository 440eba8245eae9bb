"""Which system a machine has, who brings it up, and every reason for and against."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.catalogue.machine import Hypervisor, System
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.home import Home
from lab.foundation.work import Work
from lab.provider import choice
from lab.provider import host as host_module
from lab.provider.accelerator import Acceleration
from lab.provider.choice import decide
from lab.provider.host import by_libvirt
from lab.provider.preference import Preference, ProviderName
from tests.unit.choice.made_hosts import (
    ALL_KERNELS,
    CENTOS,
    DEBIAN,
    KERNEL,
    NO_KERNELS,
    QEMU,
    REPLICA,
    VAGRANT,
    WITHOUT_VAGRANT,
    Host,
    Kernels,
    machine,
    typed,
)


def test_centos_is_the_default_with_vagrant_and_hardware_virtualisation() -> None:
    """CentOS is preferred where it can run; the network is not contacted."""
    kernels = Kernels(ALL_KERNELS.there)
    decision = decide(machine("old"), Preference(), Host(), kernels)

    assert (decision.provider, decision.hypervisor, decision.system) == (VAGRANT, Hypervisor.VIRTUALBOX, CENTOS)
    assert decision.reason == "Vagrant, virtualbox and hardware virtualisation are available: it was tried"
    assert kernels.asked == []


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        (WITHOUT_VAGRANT, "Vagrant is not installed"),
        (Host(accelerated=()), "virtualbox has no hardware virtualisation that works"),
        (
            Host({Hypervisor.VIRTUALBOX: "VirtualBox is not installed"}, ()),
            "VirtualBox is not installed; libvirt has no",
        ),
    ],
)
@pytest.mark.parametrize(("kernels", "system"), [(ALL_KERNELS, KERNEL), (NO_KERNELS, REPLICA)])
def test_otherwise_the_default_is_the_real_kernel_or_else_a_replica(
    host: Host, reason: str, kernels: Kernels, system: System
) -> None:
    """The reason says once why CentOS is not used, and where the kernel comes from or why it is unavailable."""
    decision = decide(machine("old"), Preference(), host, kernels)

    assert (decision.provider, decision.hypervisor, decision.system) == (QEMU, None, system)
    assert decision.reason.startswith(reason)
    assert decision.reason.count(reason) == 1
    of_kernel = "its kernel's packages are in the cache" if system is KERNEL else "centos:7.0.1406: no answer within"
    assert of_kernel in decision.reason


def test_each_machine_gives_its_own_reason_for_its_kernel() -> None:
    """A comparison of the two names both systems."""
    kernels = Kernels(("centos:7.0.1406",))
    decision = {name: decide(machine(name), Preference(), WITHOUT_VAGRANT, kernels) for name in ("old", "new")}

    assert {name: one.system for name, one in decision.items()} == {"old": KERNEL, "new": REPLICA}
    assert "centos:7.8.2003: no answer" in decision["new"].reason


def test_an_unavailable_default_kernel_is_replaced_by_a_replica_with_the_reason() -> None:
    """This holds for defaults only; see test_own_kernels for explicit requests."""
    decision = decide(machine("old"), Preference(), WITHOUT_VAGRANT, ALL_KERNELS)
    other = choice.instead(machine("old"), decision, "the line broke")

    assert other is not None
    assert (other.system, other.kernel) == (REPLICA, None)
    assert other.reason.endswith("packages are in the cache, but the line broke")


@pytest.mark.parametrize("provider", [None, QEMU, VAGRANT])
@pytest.mark.parametrize("system", [CENTOS, KERNEL, REPLICA])
@pytest.mark.parametrize("host", [Host(), WITHOUT_VAGRANT])
@pytest.mark.parametrize("kernels", [NO_KERNELS, ALL_KERNELS])
def test_an_explicit_system_is_used_or_refused(
    provider: ProviderName | None, system: System, host: Host, kernels: Kernels
) -> None:
    """It is never replaced silently, and never combined with a provider that cannot bring it up."""
    old = machine("old")
    by = {CENTOS: VAGRANT, KERNEL: QEMU, REPLICA: provider or QEMU}[system]
    if provider not in {None, by}:
        with pytest.raises(BadInput, match=f"only {by} brings up the system {system}, and --provider is {provider}"):
            typed(provider, system=system)
        return
    if by is VAGRANT and host is WITHOUT_VAGRANT:
        with pytest.raises(BrokenEnvironment, match="Vagrant is not installed"):
            decide(old, typed(provider, system=system), host, kernels)
        return
    decision = decide(old, typed(provider, system=system), host, kernels)
    assert (decision.provider, decision.system) == (by, system)
    assert decision.reason == f"{'--provider' if provider and by is VAGRANT else '--system'} asks for it"


def test_what_the_host_lacks_is_in_the_plan_and_not_in_the_note() -> None:
    """`lab doctor` lists it; `lab up` does not repeat it each time."""
    chosen = decide(machine("old"), Preference(), Host(accelerated=()), NO_KERNELS)

    assert chosen.brief
    assert "lab doctor" in chosen.brief
    assert len(chosen.brief) < len(chosen.reason)


def test_a_typed_system_that_a_machine_lacks_lists_the_available_ones() -> None:
    """A configured one is ignored there, because `lab up` must work for all machines."""
    today = machine("today")
    with pytest.raises(BadInput, match="today has no system kernel; it has: replica"):
        decide(today, typed(system=KERNEL), Host(), ALL_KERNELS)
    with pytest.raises(BadInput, match="today has no system centos; it has: replica"):
        decide(today, typed(system=CENTOS), Host(), ALL_KERNELS)
    configured = Preference(system=KERNEL, system_asked_by="LAB_SYSTEM")
    for preference in (configured, Preference(), typed(system=REPLICA)):
        decision = decide(today, preference, Host(), ALL_KERNELS)
        assert (decision.provider, decision.system) == (QEMU, DEBIAN)


@pytest.mark.parametrize(("accelerator", "works"), [("tcg", False), ("kvm", True)])
def test_no_hypervisor_has_hardware_virtualisation_where_no_guest_boots_with_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    accelerator: str,
    works: bool,  # noqa: FBT001
) -> None:
    """This includes VirtualBox; the processor's feature flag says little, least of all in a guest."""
    monkeypatch.setenv("LAB_ACCEL", accelerator)
    host = host_module.Host(Home(tmp_path, tmp_path, tmp_path / "config.toml"), Work())

    assert {host.acceleration(hypervisor).works for hypervisor in Hypervisor} == {works}


def test_libvirts_kvm_is_used_by_a_user_without_access_to_dev_kvm() -> None:
    """The daemon opens /dev/kvm; a guest that hung when tried outweighs what the daemon offers."""
    no_access = Acceleration(None, "this user may not open /dev/kvm, so no guest was tried")
    offered = by_libvirt(no_access, lambda: None)
    assert offered.works
    assert "this user may not open /dev/kvm" in offered.reason

    refusal = by_libvirt(no_access, lambda: "KVM is not supported by '/usr/bin/qemu-system-x86_64' on this host")
    assert refusal.works is False
    assert "is not supported by" in refusal.reason

    hangs = Acceleration(works=False, reason="/dev/kvm is there, but no guest boots under it", tried=True)
    assert by_libvirt(hangs, lambda: None) is hangs


def test_without_virsh_it_is_unknown_whether_libvirts_daemon_has_kvm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message does not claim that the daemon lacks KVM."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("LAB_ACCEL", raising=False)
    monkeypatch.setattr("lab.provider.accelerator.KVM_DEVICE", tmp_path)
    acceleration = host_module.Host(Home(tmp_path, tmp_path, tmp_path / "config"), Work()).acceleration(
        Hypervisor.LIBVIRT
    )

    assert acceleration.works is None
    assert "without virsh, which is not installed" in acceleration.reason


def test_unknown_hardware_virtualisation_is_reported_with_how_to_test_it() -> None:
    """It is not silently treated as absent."""
    decision = decide(machine("old"), Preference(), Host(unknown=tuple(Hypervisor)), NO_KERNELS)

    assert decision.provider is ProviderName.QEMU
    assert "whether virtualbox has hardware virtualisation is unknown: there is no kernel to try" in decision.reason
    assert "--system centos tries it" in decision.reason


def test_explicit_choices_override_detection() -> None:
    """The reason names the source of the choice; a provider alone leaves the system open."""
    by_qemu = decide(machine("old"), typed(QEMU), Host(), NO_KERNELS)
    assert (by_qemu.system, by_qemu.reason.startswith("--provider asks for it; centos:7.0.1406: no")) == (REPLICA, True)
    assert decide(machine("old"), typed(QEMU), Host(), ALL_KERNELS).system is KERNEL
    replica = decide(machine("old"), typed(VAGRANT, system=REPLICA), Host(accelerated=()), NO_KERNELS)
    assert (replica.hypervisor, replica.system) == (Hypervisor.LIBVIRT_SESSION, REPLICA)
    centos = decide(machine("old"), typed(VAGRANT, Hypervisor.LIBVIRT), Host(accelerated=()), NO_KERNELS)
    assert (centos.hypervisor, centos.system) == (Hypervisor.LIBVIRT, CENTOS)


def test_an_unavailable_explicit_choice_is_an_error_with_the_reason() -> None:
    """It is never substituted silently."""
    with pytest.raises(BrokenEnvironment, match="Vagrant is not installed") as caught:
        decide(machine("old"), typed(VAGRANT), WITHOUT_VAGRANT, ALL_KERNELS)
    assert "lab doctor has the command that installs it" in (caught.value.hint or "")
    with pytest.raises(BadInput, match="CentOS cannot be brought up under libvirt-session"):
        decide(machine("old"), typed(VAGRANT, Hypervisor.LIBVIRT_SESSION), Host(), NO_KERNELS)
    with pytest.raises(BadInput, match="a replica cannot be brought up under virtualbox"):
        decide(machine("old"), typed(VAGRANT, Hypervisor.VIRTUALBOX, system=REPLICA), Host(), NO_KERNELS)


def test_a_dry_run_plans_for_this_host_or_says_that_it_cannot_run_here() -> None:
    """A plan names the available hypervisor; where there is none, the plan says so."""
    only_libvirt = Host({Hypervisor.VIRTUALBOX: "VirtualBox is not installed", Hypervisor.QEMU: "no plugin"})
    here = choice.foresee(machine("old"), typed(VAGRANT), only_libvirt, NO_KERNELS)
    assert here == decide(machine("old"), typed(VAGRANT), only_libvirt, NO_KERNELS)
    assert here.hypervisor is Hypervisor.LIBVIRT

    elsewhere = choice.foresee(machine("old"), typed(VAGRANT), WITHOUT_VAGRANT, NO_KERNELS)
    assert elsewhere.hypervisor is Hypervisor.VIRTUALBOX
    assert elsewhere.reason.endswith(", but Vagrant cannot run the machine here: Vagrant is not installed")
