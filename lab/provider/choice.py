"""Which provider brings a machine up, on which system, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from lab.catalogue.document import Model
from lab.catalogue.machine import Definition, Hypervisor, Machine
from lab.errors import BadInput, BrokenEnvironment
from lab.files import write_whole
from lab.preference import Preference, ProviderName

FOR_CENTOS = (Hypervisor.VIRTUALBOX, Hypervisor.LIBVIRT, Hypervisor.QEMU)
"""In the order they are tried. Not libvirt's session mode: it knows a guest by its agent, which these boxes lack."""

FOR_REPLICAS = (Hypervisor.LIBVIRT_SESSION, Hypervisor.LIBVIRT, Hypervisor.QEMU)
"""In the order they are tried. The replica's box is booted with a kernel of its own, which VirtualBox cannot do."""


class HostAbilities(Protocol):
    """What must be known of a host."""

    def problem(self, hypervisor: Hypervisor) -> str | None:
        """Tell why Vagrant cannot run guests with a hypervisor here; None when it can."""

    def accelerates(self, hypervisor: Hypervisor, /) -> bool:
        """Tell whether a hypervisor has hardware virtualisation here that works."""


class AnyHost:
    """A host that can do everything: for what is only planned, where nothing that was asked for can be had."""

    def problem(self, hypervisor: Hypervisor) -> None:
        """Tell why Vagrant cannot run guests with a hypervisor: nothing is in the way."""

    def accelerates(self, hypervisor: Hypervisor, /) -> bool:
        """Tell whether a hypervisor has hardware virtualisation."""
        return hypervisor is not Hypervisor.LIBVIRT_SESSION


class Choice(Model):
    """How a machine is brought up.

    Attributes:
        provider: Who does it.
        hypervisor: What runs Vagrant's guest; None for the embedded provider.
        centos: Whether it is CentOS, not the lab's own image.
        reason: Why, in words.
    """

    provider: ProviderName
    hypervisor: Hypervisor | None = None
    centos: bool = False
    reason: str

    @property
    def in_words(self) -> str:
        """Who brings it up, as one says it."""
        return f"{self.provider} ({self.hypervisor})" if self.hypervisor else self.provider.value


def unchosen(definition: Definition) -> Choice:
    """Give what stands for a choice for a machine that is not there: nothing was asked, nothing was looked at."""
    provider = ProviderName.QEMU if definition.on_image else ProviderName.VAGRANT
    return Choice(provider=provider, centos=definition.on_image is None, reason="nothing was chosen yet")


def satisfies(definition: Definition, choice: Choice, preference: Preference) -> bool:
    """Tell whether a machine that is there is as the command line asks; what is merely configured is for new ones."""
    if preference.insists_on_replica and choice.centos:
        return False
    if not preference.insists_on_provider:
        return True
    asks_for_centos = preference.provider is ProviderName.VAGRANT and definition.centos and not preference.replica
    if asks_for_centos and not choice.centos:
        return False
    return preference.provider is choice.provider and preference.hypervisor in (None, choice.hypervisor)


def decide(definition: Definition, preference: Preference, host: HostAbilities) -> Choice:
    """Decide how a machine is brought up that is not there yet.

    Raises:
        BadInput: what was asked for does not fit the machine.
        BrokenEnvironment: what was asked for cannot be had here.
    """
    if preference.provider is ProviderName.VAGRANT and not definition.added:
        return _by_vagrant(definition, preference, host)
    if preference.provider is ProviderName.QEMU:
        return _embedded(definition, f"{preference.asked_by} asks for it")
    if definition.centos is None:
        added = "only the embedded provider boots a kernel that was added"
        return _embedded(definition, added if definition.added else "it is not a CentOS machine")
    if preference.replica:
        return _embedded(definition, "a replica was asked for")
    why_not = []
    for hypervisor in FOR_CENTOS:
        problem = host.problem(hypervisor)
        if problem is None and host.accelerates(hypervisor):
            reason = f"Vagrant, {hypervisor} and hardware virtualisation are there"
            return Choice(provider=ProviderName.VAGRANT, hypervisor=hypervisor, centos=True, reason=reason)
        why_not.append(problem or f"{hypervisor} has no hardware virtualisation that works")
    return _embedded(definition, "; ".join(dict.fromkeys(why_not)))


def foresee(definition: Definition, preference: Preference, host: HostAbilities) -> Choice:
    """Decide as `decide` does; what cannot be had here, as a host would that has everything, and with the reason.

    Raises:
        BadInput: what was asked for does not fit the machine.
    """
    try:
        return decide(definition, preference, host)
    except BrokenEnvironment as error:
        choice = decide(definition, preference, AnyHost())
        return choice.model_copy(update={"reason": f"{choice.reason}, but {error.message}"})


def _embedded(definition: Definition, reason: str) -> Choice:
    if definition.on_image is None:
        raise BadInput(
            f"{definition.name} has no table [debian], so the embedded provider cannot bring it up ({reason})",
            hint="ask for Vagrant: --provider vagrant",
        )
    return Choice(provider=ProviderName.QEMU, reason=reason)


def _by_vagrant(definition: Definition, preference: Preference, host: HostAbilities) -> Choice:
    centos = definition.centos is not None and not preference.replica
    if not centos and definition.debian is None:
        raise BadInput(f"{definition.name} has no table [debian], so there is no replica of it")
    possible = FOR_CENTOS if centos else FOR_REPLICAS
    kind = "CentOS" if centos else "a replica"
    if preference.hypervisor and preference.hypervisor not in possible:
        raise BadInput(
            f"{definition.name}: {kind} cannot be brought up under {preference.hypervisor}; "
            f"it can under: {', '.join(possible)}",
            hint="a replica can: --replica" if centos and preference.hypervisor in FOR_REPLICAS else None,
        )
    hypervisor = _first_usable([preference.hypervisor] if preference.hypervisor else possible, host)
    return Choice(
        provider=ProviderName.VAGRANT,
        hypervisor=hypervisor,
        centos=centos,
        reason=f"{preference.asked_by} asks for it",
    )


def _first_usable(hypervisors: Sequence[Hypervisor], host: HostAbilities) -> Hypervisor:
    problems = []
    for hypervisor in hypervisors:
        problem = host.problem(hypervisor)
        if problem is None:
            return hypervisor
        problems.append(problem)
    raise BrokenEnvironment(
        f"Vagrant cannot run the machine here: {'; '.join(dict.fromkeys(problems))}",
        hint="install it (apt-get install vagrant vagrant-libvirt libvirt-daemon-system libvirt-clients), or leave "
        "Vagrant out: --provider qemu",
    )


def applied(definition: Definition, choice: Choice) -> Machine:
    """Give a machine on the system that was chosen for it.

    Raises:
        BadInput: its file does not have that system any more.
    """
    system = definition.centos if choice.centos else definition.on_image
    if system is None:
        table = "centos" if choice.centos else "debian"
        raise BadInput(
            f"{definition.name} has no table [{table}]", hint=f"destroy it first: lab destroy {definition.name}"
        )
    return definition.on(system)


def stored(path: Path) -> Choice | None:
    """Give the choice that was stored; None when there is none that can be read."""
    try:
        return Choice.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def store(path: Path, choice: Choice) -> None:
    """Remember a choice for as long as the machine is there."""
    write_whole(path, choice.model_dump_json())
