"""Which provider brings a machine up, and why: every reason for and against."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab import preference
from lab.catalogue import find
from lab.catalogue.machine import Definition, Hypervisor
from lab.errors import BadInput, BrokenEnvironment
from lab.home import MACHINES, Home
from lab.preference import Preference, ProviderName
from lab.provider import choice
from lab.provider import host as host_module
from lab.provider.choice import Choice, decide
from lab.work import Work


@dataclass
class Host:
    """A host that can do what is said here."""

    problems: dict[Hypervisor, str] = field(default_factory=dict)
    accelerated: tuple[Hypervisor, ...] = tuple(Hypervisor)

    def problem(self, hypervisor: Hypervisor) -> str | None:
        """Tell why it cannot run guests with a hypervisor."""
        return self.problems.get(hypervisor)

    def accelerates(self, hypervisor: Hypervisor) -> bool:
        """Tell whether a hypervisor has hardware virtualisation."""
        return hypervisor in self.accelerated


WITHOUT_VAGRANT = Host(dict.fromkeys(Hypervisor, "Vagrant is not installed"))


def machine(name: str) -> Definition:
    """Give a machine of the lab."""
    return find.machines(MACHINES, [name])[0]


def asked(provider: ProviderName, hypervisor: Hypervisor | None = None, *, replica: bool = False) -> Preference:
    """Ask on the command line."""
    return Preference(provider, hypervisor, replica, "--provider", True, replica)  # noqa: FBT003  by position


def test_centos_is_the_default_where_vagrant_and_hardware_virtualisation_are_there() -> None:
    """The real thing, where it can be had."""
    made = decide(machine("old"), Preference(), Host())

    assert (made.provider, made.hypervisor, made.centos) == (ProviderName.VAGRANT, Hypervisor.VIRTUALBOX, True)
    assert made.reason == "Vagrant, virtualbox and hardware virtualisation are there"


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
def test_a_replica_is_the_default_elsewhere_and_the_reason_is_said(host: Host, reason: str) -> None:
    """Nobody wonders why there is no CentOS, and a reason that holds several times is said once."""
    made = decide(machine("old"), Preference(), host)

    assert (made.provider, made.hypervisor, made.centos) == (ProviderName.QEMU, None, False)
    assert made.reason.startswith(reason)
    assert made.reason.count(reason) == 1


@pytest.mark.parametrize(("accelerator", "works"), [("tcg", False), ("kvm", True)])
def test_no_hypervisor_has_hardware_virtualisation_where_no_guest_boots_with_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    accelerator: str,
    works: bool,  # noqa: FBT001
) -> None:
    """VirtualBox neither: that the processor names the extension says little, in a guest least of all."""
    monkeypatch.setenv("LAB_ACCEL", accelerator)
    host = host_module.Host(Home(tmp_path, tmp_path, tmp_path / "config.toml"), Work())

    assert {host.accelerates(hypervisor) for hypervisor in Hypervisor} == {works}


def test_a_machine_without_centos_never_asks_for_vagrant() -> None:
    """There is nothing to gain."""
    assert decide(machine("today"), Preference(), Host()).provider is ProviderName.QEMU
    assert decide(machine("old"), Preference(replica=True), Host()).provider is ProviderName.QEMU


def test_what_is_asked_for_counts_more_than_what_is_there() -> None:
    """Each way, with who asked in the reason."""
    assert decide(machine("old"), asked(ProviderName.QEMU), Host()).reason == "--provider asks for it"
    replica = decide(machine("old"), asked(ProviderName.VAGRANT, replica=True), Host(accelerated=()))
    assert (replica.hypervisor, replica.centos) == (Hypervisor.LIBVIRT_SESSION, False)
    centos = decide(machine("old"), asked(ProviderName.VAGRANT, Hypervisor.LIBVIRT), Host(accelerated=()))
    assert (centos.hypervisor, centos.centos) == (Hypervisor.LIBVIRT, True)


def test_what_is_asked_for_and_cannot_be_had_is_an_error_that_says_why() -> None:
    """Never a silent substitute."""
    with pytest.raises(BrokenEnvironment, match="Vagrant is not installed") as caught:
        decide(machine("old"), asked(ProviderName.VAGRANT), WITHOUT_VAGRANT)
    assert "apt-get install vagrant" in (caught.value.hint or "")
    with pytest.raises(BadInput, match="CentOS cannot be brought up under libvirt-session"):
        decide(machine("old"), asked(ProviderName.VAGRANT, Hypervisor.LIBVIRT_SESSION), Host())
    with pytest.raises(BadInput, match="a replica cannot be brought up under virtualbox"):
        decide(machine("old"), asked(ProviderName.VAGRANT, Hypervisor.VIRTUALBOX, replica=True), Host())


def test_what_is_only_planned_is_what_would_be_done_here_and_else_what_another_host_would_do() -> None:
    """A plan shows the hypervisor that is there; where there is none, the plan says so."""
    only_libvirt = Host({Hypervisor.VIRTUALBOX: "VirtualBox is not installed", Hypervisor.QEMU: "no plugin"})
    here = choice.foresee(machine("old"), asked(ProviderName.VAGRANT), only_libvirt)
    assert here == decide(machine("old"), asked(ProviderName.VAGRANT), only_libvirt)
    assert here.hypervisor is Hypervisor.LIBVIRT

    elsewhere = choice.foresee(machine("old"), asked(ProviderName.VAGRANT), WITHOUT_VAGRANT)
    assert elsewhere.hypervisor is Hypervisor.VIRTUALBOX
    assert elsewhere.reason.endswith(", but Vagrant cannot run the machine here: Vagrant is not installed")


def test_a_machine_that_is_there_is_only_held_against_the_command_line() -> None:
    """A config file that was changed since does not make every command fail."""
    there = Choice(provider=ProviderName.VAGRANT, hypervisor=Hypervisor.LIBVIRT, centos=True, reason="")

    old = machine("old")
    assert choice.satisfies(old, there, Preference(ProviderName.QEMU, asked_by="config.toml"))
    assert choice.satisfies(old, there, asked(ProviderName.VAGRANT))
    assert not choice.satisfies(old, there, asked(ProviderName.QEMU))
    assert not choice.satisfies(old, there, asked(ProviderName.VAGRANT, Hypervisor.VIRTUALBOX))
    assert not choice.satisfies(old, there, asked(ProviderName.VAGRANT, replica=True))


def test_a_replica_never_passes_for_the_centos_that_was_asked_for() -> None:
    """Vagrant without --replica means CentOS, for a machine that is there, too."""
    there = Choice(provider=ProviderName.VAGRANT, hypervisor=Hypervisor.LIBVIRT, centos=False, reason="")

    assert not choice.satisfies(machine("old"), there, asked(ProviderName.VAGRANT))
    assert choice.satisfies(machine("old"), there, asked(ProviderName.VAGRANT, replica=True))
    assert choice.satisfies(machine("old"), there, Preference())
    assert choice.satisfies(machine("today"), there, asked(ProviderName.VAGRANT))


def test_the_command_line_counts_more_than_the_environment_and_that_more_than_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each is named as the one who asked."""
    monkeypatch.delenv("LAB_PROVIDER", raising=False)
    monkeypatch.delenv("LAB_HYPERVISOR", raising=False)
    config = tmp_path / "config.toml"
    assert preference.gather(None, None, config, replica=None) == Preference()

    config.write_text('provider = "vagrant"\nhypervisor = "virtualbox"\nreplica = true\n')
    by_file = preference.gather(None, None, config, replica=None)
    assert (by_file.provider, by_file.hypervisor, by_file.replica) == (
        ProviderName.VAGRANT,
        Hypervisor.VIRTUALBOX,
        True,
    )
    assert by_file.asked_by == str(config)

    monkeypatch.setenv("LAB_PROVIDER", "qemu")
    assert preference.gather(None, None, config, replica=None).asked_by == "LAB_PROVIDER"
    assert preference.gather("vagrant", None, config, replica=None).asked_by == "--provider"


def test_who_asks_for_a_hypervisor_asks_for_vagrant_unless_a_stronger_place_asks_for_another_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that was typed is passed over in silence, and typed again it says the same."""
    monkeypatch.delenv("LAB_HYPERVISOR", raising=False)
    config = tmp_path / "config.toml"
    config.write_text('provider = "qemu"\nhypervisor = "virtualbox"\nreplica = true\n')
    for standing in (None, "qemu"):
        monkeypatch.setenv("LAB_PROVIDER", standing or "")
        by_hypervisor = preference.gather(None, "libvirt", config, replica=None)
        assert (by_hypervisor.provider, by_hypervisor.hypervisor) == (ProviderName.VAGRANT, Hypervisor.LIBVIRT)
        assert by_hypervisor.asked_by == "--hypervisor"
        embedded = preference.gather(None, None, config, replica=None)
        assert (embedded.provider, embedded.hypervisor) == (ProviderName.QEMU, None)

    by_provider = preference.gather("vagrant", None, config, replica=None)
    assert (by_provider.provider, by_provider.hypervisor) == (ProviderName.VAGRANT, Hypervisor.VIRTUALBOX)
    there = decide(machine("old"), by_hypervisor, Host())
    assert choice.satisfies(machine("old"), there, by_hypervisor)
    typed = preference.gather("qemu", None, config, replica=None)
    assert choice.satisfies(machine("old"), decide(machine("old"), typed, Host()), typed)


def test_a_command_line_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    """Neither of the two is guessed to be meant."""
    with pytest.raises(BadInput, match="--provider qemu has no hypervisor to choose, and --hypervisor is 'libvirt'"):
        preference.gather("qemu", "libvirt", tmp_path / "config.toml", replica=None)


def test_a_replica_that_the_config_file_asks_for_can_be_undone(tmp_path: Path) -> None:
    """The command line counts more, in either direction."""
    config = tmp_path / "config.toml"
    config.write_text("replica = true\n")
    assert preference.gather(None, None, config, replica=None).replica
    assert not preference.gather(None, None, config, replica=False).replica
    config.write_text("")
    assert not preference.gather(None, None, config, replica=None).replica
    assert preference.gather(None, None, config, replica=True).insists_on_replica


def test_a_name_that_there_is_not_is_said_with_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it was written; in the file with its line."""
    config = tmp_path / "config.toml"
    with pytest.raises(BadInput, match="--provider is 'docker'; it can be: qemu, vagrant"):
        preference.gather("docker", None, config, replica=None)
    monkeypatch.setenv("LAB_HYPERVISOR", "xen")
    with pytest.raises(BadInput, match="LAB_HYPERVISOR is 'xen'; it can be: virtualbox, libvirt"):
        preference.gather(None, None, config, replica=None)
    config.write_text("\nprovider = 3\n")
    with pytest.raises(BadInput, match=r"config\.toml:2: provider"):
        preference.gather(None, None, config, replica=None)


def test_a_stored_choice_comes_back_and_a_damaged_one_counts_as_none(tmp_path: Path) -> None:
    """It lives as long as the machine."""
    path = tmp_path / "old" / "choice.json"
    made = decide(machine("old"), Preference(), Host())
    choice.store(path, made)
    assert choice.stored(path) == made

    path.write_text("{")
    assert choice.stored(path) is None
