"""Selects the provider and the system of a machine, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError, model_validator

from lab.catalogue.document import Model
from lab.catalogue.machine import CHOOSABLE, Added, CentOS, Debian, Definition, Hypervisor, Machine, System
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.files import write_whole
from lab.foundation.later import Later
from lab.provider.preference import Preference, ProviderName

if TYPE_CHECKING:
    from lab.provider import accelerator
    from lab.provider.accelerator import Acceleration
else:
    accelerator = Later("lab.provider.accelerator")

FOR_CENTOS = (Hypervisor.VIRTUALBOX, Hypervisor.LIBVIRT, Hypervisor.QEMU)
"""In the order of preference. libvirt's session mode needs a guest agent, which these boxes lack."""

FOR_REPLICAS = (Hypervisor.LIBVIRT_SESSION, Hypervisor.LIBVIRT, Hypervisor.QEMU)
"""In the order of preference. The replica's box is booted with a separate kernel, which VirtualBox cannot do."""


class HostAbilities(Protocol):
    """What a choice needs to know about a host."""

    def problem(self, hypervisor: Hypervisor) -> str | None:
        """Return why Vagrant cannot run guests with a hypervisor here; None when it can."""

    def acceleration(self, hypervisor: Hypervisor, /) -> Acceleration:
        """Return whether a hypervisor has hardware virtualisation here."""


class KernelSources(Protocol):
    """What a choice needs to know about the origin of kernels."""

    def where(self, known: str, /) -> str | None:
        """Return a description of where a known kernel would come from; None when it cannot be obtained."""

    def why_not(self, known: str, /) -> str:
        """Return why a known kernel cannot be obtained."""


class AnyHost:
    """A host with every hypervisor: for plans, where nothing requested is missing."""

    def problem(self, hypervisor: Hypervisor) -> None:
        """Return None: every hypervisor can run guests."""

    def acceleration(self, hypervisor: Hypervisor, /) -> Acceleration:
        """Return hardware virtualisation for every hypervisor but libvirt's session mode."""
        return accelerator.Acceleration(hypervisor is not Hypervisor.LIBVIRT_SESSION, "any host")


class Choice(Model):
    """How a machine is brought up.

    Attributes:
        provider: The provider.
        hypervisor: The hypervisor of Vagrant's guest; None for the embedded provider.
        system: The machine's system.
        kernel: The kernel added for it, on the system `kernel`; None on any other, and before it is added.
        reason: The reason, in words.
        brief: The reason without what this host lacks, which `lab doctor` lists; None where they are the same.
    """

    provider: ProviderName
    hypervisor: Hypervisor | None = None
    system: System
    kernel: Added | None = None
    reason: str
    brief: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_lab(cls, data: Any) -> Any:  # noqa: ANN401  signature required by pydantic
        """Convert what an older lab stored, which knew two systems only."""
        if isinstance(data, dict) and isinstance(data.get("centos"), bool):
            is_centos = data.pop("centos")
            return {"system": System.CENTOS.value if is_centos else System.REPLICA.value, **data}
        return data

    @property
    def in_words(self) -> str:
        """Name of provider and hypervisor, for messages."""
        return f"{self.provider} ({self.hypervisor})" if self.hypervisor else self.provider.value


def unchosen(definition: Definition) -> Choice:
    """Return a placeholder choice for a machine that does not exist, without testing anything."""
    on_image = definition.on_image
    provider = ProviderName.QEMU if on_image else ProviderName.VAGRANT
    system = on_image.kind if on_image else System.CENTOS
    # Nothing of it was read from a file, so nothing is validated: that takes a third of `lab status`.
    return Choice.model_construct(provider=provider, system=system, reason="nothing was chosen yet")


def satisfies(definition: Definition, choice: Choice, preference: Preference) -> bool:
    """Return whether an existing machine is what the command line requests; the configuration is for new machines."""
    if preference.insists_on_system and preference.system is not _asked_as(choice.system):
        return False
    if not preference.insists_on_provider:
        return True
    asks_for_centos = preference.provider is ProviderName.VAGRANT and definition.centos and preference.system is None
    if asks_for_centos and choice.system is not System.CENTOS:
        return False
    return preference.provider is choice.provider and preference.hypervisor in (None, choice.hypervisor)


def _asked_as(system: System) -> System:
    """Return the name by which a system is requested."""
    return {System.DEBIAN: System.REPLICA, System.ADDED: System.KERNEL}.get(system, system)


def offered(definition: Definition) -> list[System]:
    """Return the systems on which a machine can be requested."""
    has = {
        System.CENTOS: definition.centos is not None,
        System.KERNEL: definition.kernel is not None or definition.added is not None,
        System.REPLICA: definition.debian is not None,
    }
    return [system for system in CHOOSABLE if has[system]]


def decide(definition: Definition, preference: Preference, host: HostAbilities, kernels: KernelSources) -> Choice:
    """Decide how to bring up a machine that does not exist.

    If the system `kernel` is requested, whether the kernel can be obtained is known only once that is tried.

    Raises:
        BadInput: the request does not fit the machine.
        BrokenEnvironment: the request cannot be met here.
    """
    wanted = _wanted(definition, preference)
    if definition.added:
        return _embedded(definition, "only the embedded provider boots a kernel that was added")
    if wanted is System.KERNEL:
        return _own_kernel(f"{preference.system_asked_by} asks for it")
    if preference.provider is ProviderName.VAGRANT or wanted is System.CENTOS:
        return _by_vagrant(definition, preference, wanted, host)
    if wanted is System.REPLICA:
        return _embedded(definition, f"{preference.system_asked_by} asks for it")
    if preference.provider is ProviderName.QEMU:
        return _on_qemu(definition, f"{preference.asked_by} asks for it", kernels)
    return _default(definition, host, kernels)


def _wanted(definition: Definition, preference: Preference) -> System | None:
    """Return the requested system; None if only the configuration requests one and the machine does not have it.

    Raises:
        BadInput: the command line requests a system that the machine does not have.
    """
    possible = offered(definition)
    if preference.system is None or preference.system in possible:
        return preference.system
    if not preference.insists_on_system:
        return None
    others = ", ".join(possible)
    raise BadInput(
        f"{definition.name} has no system {preference.system}; it has: {others}",
        hint="name the machines that have it, or ask for another one: --system",
    )


def _default(definition: Definition, host: HostAbilities, kernels: KernelSources) -> Choice:
    if definition.centos is None:
        return _on_qemu(definition, "it is not a CentOS machine", kernels)
    why_not = []
    for hypervisor in FOR_CENTOS:
        if problem := host.problem(hypervisor):
            why_not.append(problem)
            continue
        acceleration = host.acceleration(hypervisor)
        if acceleration.works:
            reason = f"Vagrant, {hypervisor} and hardware virtualisation are available: {acceleration.reason}"
            return Choice(provider=ProviderName.VAGRANT, hypervisor=hypervisor, system=System.CENTOS, reason=reason)
        why_not.append(_unaccelerated(hypervisor, acceleration))
    choice = _on_qemu(definition, "; ".join(dict.fromkeys(why_not)), kernels)
    brief = _on_qemu(definition, "CentOS itself cannot run here (lab doctor)", kernels).reason
    return choice.model_copy(update={"brief": brief})


def _unaccelerated(hypervisor: Hypervisor, acceleration: Acceleration) -> str:
    if acceleration.works is None:
        unknown = f"whether {hypervisor} has hardware virtualisation is unknown"
        return f"{unknown}: {acceleration.reason} (--system centos tries it)"
    return f"{hypervisor} has no hardware virtualisation that works: {acceleration.reason}"


def _on_qemu(definition: Definition, reason: str, kernels: KernelSources) -> Choice:
    """Choose for the embedded provider: the machine's own kernel if it can be obtained, else a replica."""
    if definition.kernel is None:
        return _embedded(definition, reason)
    where = kernels.where(definition.kernel.known)
    if where is not None:
        return _own_kernel(f"{reason}; {where}")
    return _embedded(definition, f"{reason}; {kernels.why_not(definition.kernel.known)}")


def _own_kernel(reason: str) -> Choice:
    return Choice(provider=ProviderName.QEMU, system=System.KERNEL, reason=reason)


def foresee(definition: Definition, preference: Preference, host: HostAbilities, kernels: KernelSources) -> Choice:
    """Decide like `decide`; what cannot be met here as on a host with every hypervisor, and with the reason.

    Raises:
        BadInput: the request does not fit the machine.
    """
    try:
        return decide(definition, preference, host, kernels)
    except BrokenEnvironment as error:
        choice = decide(definition, preference, AnyHost(), kernels)
        return choice.model_copy(update={"reason": f"{choice.reason}, but {error.message}"})


def instead(definition: Definition, choice: Choice, problem: str) -> Choice | None:
    """Return the fallback for a machine whose kernel could not be obtained after all; None when there is none."""
    if definition.debian is None:
        return None
    return _embedded(definition, f"{choice.brief or choice.reason}, but {problem}")


def _embedded(definition: Definition, reason: str) -> Choice:
    if definition.on_image is None:
        raise BadInput(
            f"{definition.name} has no table [debian], so the embedded provider cannot bring it up ({reason})",
            hint="ask for another system: --system",
        )
    return Choice(provider=ProviderName.QEMU, system=definition.on_image.kind, reason=reason)


def _by_vagrant(definition: Definition, preference: Preference, wanted: System | None, host: HostAbilities) -> Choice:
    centos = None if wanted is System.REPLICA else definition.centos
    runs = centos or definition.debian
    if runs is None:
        raise BadInput(f"{definition.name} has no table [debian], so there is no replica of it")
    possible = FOR_CENTOS if centos else FOR_REPLICAS
    kind = "CentOS" if centos else "a replica"
    if preference.hypervisor and preference.hypervisor not in possible:
        raise BadInput(
            f"{definition.name}: {kind} cannot be brought up under {preference.hypervisor}; "
            f"it can under: {', '.join(possible)}",
            hint="a replica can: --system replica" if centos and preference.hypervisor in FOR_REPLICAS else None,
        )
    hypervisor = _first_usable([preference.hypervisor] if preference.hypervisor else possible, host)
    asked_by = preference.asked_by or preference.system_asked_by
    return Choice(
        provider=ProviderName.VAGRANT, hypervisor=hypervisor, system=runs.kind, reason=f"{asked_by} asks for it"
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
        hint="lab doctor has the command that installs it; or do without Vagrant: --system kernel, or --system replica",
    )


def applied(definition: Definition, choice: Choice) -> Machine:
    """Return a machine on its chosen system.

    Raises:
        BadInput: its file no longer has that system.
    """
    systems: dict[System, Debian | CentOS | Added | None] = {
        System.CENTOS: definition.centos,
        System.KERNEL: choice.kernel,
    }
    system = systems.get(choice.system, definition.on_image)
    if system is None:
        table = choice.system if choice.system in systems else "debian"
        raise BadInput(
            f"{definition.name} has no table [{table}]", hint=f"destroy it first: lab destroy {definition.name}"
        )
    return definition.on(system)


def stored(path: Path) -> Choice | None:
    """Return the stored choice; None when there is none or it is unreadable."""
    try:
        return Choice.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def store(path: Path, choice: Choice) -> None:
    """Store a choice for the lifetime of the machine."""
    write_whole(path, choice.model_dump_json())
