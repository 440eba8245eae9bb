"""The user's preferences for bringing machines up: from the command line, the environment, or the config file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

from lab.catalogue.document import Model, read
from lab.catalogue.machine import CHOOSABLE, Hypervisor, System
from lab.foundation.errors import BadInput

E = TypeVar("E", bound=StrEnum)


class ProviderName(StrEnum):
    """Name of a provider."""

    QEMU = "qemu"
    """The embedded provider: QEMU started directly, with the lab's own image."""
    VAGRANT = "vagrant"


ONLY_BY = {System.CENTOS: ProviderName.VAGRANT, System.KERNEL: ProviderName.QEMU}
"""Systems that only one provider can bring up."""


class Config(Model):
    """The config file.

    Attributes:
        provider: The provider.
        hypervisor: The hypervisor of Vagrant's guests.
        system: The machines' system.
        replica: Older form of `system = "replica"`.
    """

    provider: ProviderName | None = None
    hypervisor: Hypervisor | None = None
    system: str | None = None
    replica: bool = False


@dataclass(frozen=True)
class Preference:
    """The user's request; fields are None where nothing was requested.

    Attributes:
        provider: The requested provider.
        hypervisor: The requested hypervisor for Vagrant's guests.
        system: The requested system.
        asked_by: Origin of `provider`, in words.
        system_asked_by: Origin of `system`, in words.
        insists_on_provider: Whether the command line requested the provider or hypervisor.
        insists_on_system: Whether the command line requested the system.
    """

    provider: ProviderName | None = None
    hypervisor: Hypervisor | None = None
    system: System | None = None
    asked_by: str = ""
    system_asked_by: str = ""
    insists_on_provider: bool = False
    insists_on_system: bool = False


@dataclass(frozen=True)
class TypedOptions:
    """Options as typed; None where an option was omitted.

    Attributes:
        provider: `--provider`.
        hypervisor: `--hypervisor`.
        system: `--system`.
        replica: `--replica`, or `--no-replica`.
    """

    provider: str | None = None
    hypervisor: str | None = None
    system: str | None = None
    replica: bool | None = None


@dataclass(frozen=True)
class _FirstSetting(Generic[E]):
    """The first of several places that sets a value.

    Attributes:
        value: The value; None when no place sets one.
        place: Index of the place, 0 for the highest precedence; the number of places for none.
        by: Name of the place.
        setting: Name of the setting there, for messages.
    """

    value: E | None
    place: int
    by: str = ""
    setting: str = ""


def gather(asked: TypedOptions, config_file: Path) -> Preference:
    """Merge the requests: the command line takes precedence, then the environment, then the file.

    Only Vagrant has hypervisors, so a hypervisor implies Vagrant, unless a provider is requested at the same or a
    higher precedence. A system that only one provider brings up implies that provider in the same way.

    Args:
        asked: The command line's options.
        config_file: The config file; it need not exist.

    Raises:
        BadInput: a value does not exist, or one place contradicts itself.
    """
    config = read(config_file, Config) if config_file.exists() else Config()
    provider = _first(
        [
            ("--provider", asked.provider),
            ("LAB_PROVIDER", os.environ.get("LAB_PROVIDER")),
            (str(config_file), config.provider),
        ],
        list(ProviderName),
        "provider",
    )
    hypervisor = _first(
        [
            ("--hypervisor", asked.hypervisor),
            ("LAB_HYPERVISOR", os.environ.get("LAB_HYPERVISOR")),
            (str(config_file), config.hypervisor),
        ],
        list(Hypervisor),
        "hypervisor",
    )
    system = _system(asked, config, config_file)
    by_hypervisor = hypervisor.value is not None and hypervisor.place < provider.place
    if by_hypervisor:
        provider = _FirstSetting(ProviderName.VAGRANT, hypervisor.place, hypervisor.by)
    provider, system = _agreed(provider, system, by_hypervisor=by_hypervisor)
    if provider.value is ProviderName.QEMU and asked.provider and asked.hypervisor:
        raise BadInput(
            f"--provider qemu has no hypervisor to choose, and --hypervisor is '{asked.hypervisor}'",
            hint="leave one of them out; Vagrant has them: --provider vagrant",
        )
    return Preference(
        provider.value,
        hypervisor.value if provider.value is ProviderName.VAGRANT else None,
        system.value,
        asked_by=provider.by,
        system_asked_by=system.by,
        insists_on_provider=provider.value is not None and provider.place == 0,
        insists_on_system=system.value is not None and system.place == 0,
    )


def _system(asked: TypedOptions, config: Config, config_file: Path) -> _FirstSetting[System]:
    """Return the requested system; `--replica` and the key `replica` are aliases."""
    typed = _with_alias("--system", asked.system, "--replica", is_replica=bool(asked.replica))
    in_file = _with_alias(f"{config_file}: system", config.system, "replica = true", is_replica=config.replica)
    by_alias = "--replica" if asked.replica and not asked.system else "--system"
    places = [(by_alias, typed), ("LAB_SYSTEM", os.environ.get("LAB_SYSTEM")), (str(config_file), in_file)]
    if asked.replica is False:
        if typed == System.REPLICA:
            raise BadInput("--no-replica and --system replica contradict each other", hint="leave one of them out")
        places = [(by, None if value == System.REPLICA else value) for by, value in places]
    return _first(places, CHOOSABLE, "system")


def _with_alias(what: str, system: str | None, alias: str, *, is_replica: bool) -> str | None:
    if is_replica and system not in {None, System.REPLICA}:
        raise BadInput(f"{what} is '{system}', and {alias} asks for replicas", hint="leave one of them out")
    return System.REPLICA if is_replica else system


def _agreed(
    provider: _FirstSetting[ProviderName], system: _FirstSetting[System], *, by_hypervisor: bool
) -> tuple[_FirstSetting[ProviderName], _FirstSetting[System]]:
    """Return provider and system; of two that exclude each other only the one with higher precedence is kept.

    Raises:
        BadInput: one place requests both.
    """
    only_by = ONLY_BY.get(system.value) if system.value else None
    if only_by is None or provider.value in {None, only_by}:
        return provider, system
    # A hypervisor in the environment or the file applies only once Vagrant is requested: see `gather`.
    if system.place == provider.place and (system.place == 0 or not by_hypervisor):
        asks = f"{provider.by} asks for Vagrant" if by_hypervisor else f"{provider.setting} is {provider.value}"
        raise BadInput(
            f"only {only_by} brings up the system {system.value}, and {asks}",
            hint="leave one of them out: vagrant has the systems centos and replica, qemu has kernel and replica",
        )
    if system.place <= provider.place:
        return _FirstSetting(None, provider.place), system
    return provider, _FirstSetting(None, system.place)


def _first(asked: Sequence[tuple[str, str | None]], possible: Sequence[E], key: str) -> _FirstSetting[E]:
    """Return the first value that is set.

    Args:
        asked: The places and their values; the last one is the config file.
        possible: Valid values.
        key: The config file's key.

    Raises:
        BadInput: a value is not valid.
    """
    for place, (by, value) in enumerate(asked):
        if value:
            setting = f"{by}: {key}" if place == len(asked) - 1 else by
            chosen = next((one for one in possible if one == value), None)
            if chosen is None:
                raise BadInput(f"{setting} is '{value}'; possible values: {', '.join(possible)}")
            return _FirstSetting(chosen, place, by, setting)
    return _FirstSetting(None, len(asked))
