"""Which system a machine has, who brings it up, and every reason for and against."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.machine import Definition, Hypervisor, System
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.home import MACHINES, Home
from lab.foundation.work import Work
from lab.provider import choice
from lab.provider import host as host_module
from lab.provider.accelerator import Acceleration
from lab.provider.choice import Choice, decide
from lab.provider.host import by_libvirt
from lab.provider.preference import Preference, ProviderName, TypedOptions, gather

QEMU, VAGRANT = ProviderName.QEMU, ProviderName.VAGRANT
CENTOS, KERNEL, REPLICA, DEBIAN = System.CENTOS, System.KERNEL, System.REPLICA, System.DEBIAN


@dataclass
class Host:
    """A host with the given abilities."""

    problems: dict[Hypervisor, str] = field(default_factory=dict)
    accelerated: tuple[Hypervisor, ...] = tuple(Hypervisor)
    unknown: tuple[Hypervisor, ...] = ()

    def problem(self, hypervisor: Hypervisor) -> str | None:
        """Return why it cannot run guests with a hypervisor."""
        return self.problems.get(hypervisor)

    def acceleration(self, hypervisor: Hypervisor) -> Acceleration:
        """Return whether a hypervisor has hardware virtualisation."""
        if hypervisor in self.unknown:
            return Acceleration(None, "there is no kernel to try a guest with")
        return Acceleration(hypervisor in self.accelerated, "it was tried")


@dataclass
class Kernels:
    """Known kernels, of which some are available."""

    there: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    def where(self, known: str) -> str | None:
        """Return the source of a kernel."""
        self.asked.append(known)
        return "its kernel's packages are in the cache" if known in self.there else None

    def why_not(self, known: str) -> str:
        """Return why a kernel is unavailable."""
        return f"{known}: no answer within 3 s"


WITHOUT_VAGRANT = Host(dict.fromkeys(Hypervisor, "Vagrant is not installed"))
NO_KERNELS = Kernels()
ALL_KERNELS = Kernels(("centos:7.0.1406", "centos:7.8.2003"))


def machine(name: str) -> Definition:
    """Return a machine of the lab."""
    return find.machines(MACHINES, [name])[0]


def typed(
    provider: ProviderName | None = None, hypervisor: Hypervisor | None = None, *, system: System | None = None
) -> Preference:
    """Return a preference typed on the command line."""
    return gather(TypedOptions(provider, hypervisor, system), Path("/nonexistent"))


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LAB_PROVIDER", "LAB_HYPERVISOR", "LAB_SYSTEM"):
        monkeypatch.delenv(name, raising=False)


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


def test_what_the_host_lacks_is_in_the_plan_and_not_in_the_note() -> None:
    """`lab doctor` lists it; `lab up` does not repeat it each time."""
    chosen = decide(machine("old"), Preference(), Host(accelerated=()), NO_KERNELS)

    assert chosen.brief
    assert "lab doctor" in chosen.brief
    assert len(chosen.brief) < len(chosen.reason)


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
