"""What the user prefers machines to be brought up with: from the command line, the environment, or the config file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from lab.catalogue.document import Model, read
from lab.catalogue.machine import Hypervisor
from lab.errors import BadInput

E = TypeVar("E", bound=StrEnum)


class ProviderName(StrEnum):
    """Who brings machines up."""

    QEMU = "qemu"
    """The embedded one: QEMU started directly, with the lab's own image."""
    VAGRANT = "vagrant"


class Config(Model):
    """The config file.

    Attributes:
        provider: Who brings machines up.
        hypervisor: What runs Vagrant's guests.
        replica: Whether replicas are wanted where CentOS could be had.
    """

    provider: ProviderName | None = None
    hypervisor: Hypervisor | None = None
    replica: bool = False


@dataclass(frozen=True)
class Preference:
    """What the user asked for; each None where nothing was asked.

    Attributes:
        provider: Who shall bring machines up.
        hypervisor: What shall run Vagrant's guests.
        replica: Whether replicas are wanted where CentOS could be had.
        asked_by: Where `provider` was asked for, in words.
        insists_on_provider: Whether it was the command line that asked for provider or hypervisor.
        insists_on_replica: Whether it was the command line that asked for a replica.
    """

    provider: ProviderName | None = None
    hypervisor: Hypervisor | None = None
    replica: bool = False
    asked_by: str = ""
    insists_on_provider: bool = False
    insists_on_replica: bool = False


def gather(provider: str | None, hypervisor: str | None, config_file: Path, *, replica: bool) -> Preference:
    """Put together what was asked for; the command line counts most, then the environment, then the file.

    Args:
        provider: What `--provider` said.
        hypervisor: What `--hypervisor` said.
        config_file: The config file; it need not exist.
        replica: Whether `--replica` was given.

    Raises:
        BadInput: one of them names something that there is not.
    """
    config = read(config_file, Config) if config_file.exists() else Config()
    providers = [
        ("--provider", provider),
        ("LAB_PROVIDER", os.environ.get("LAB_PROVIDER")),
        (str(config_file), config.provider),
    ]
    hypervisors = [
        ("--hypervisor", hypervisor),
        ("LAB_HYPERVISOR", os.environ.get("LAB_HYPERVISOR")),
        (str(config_file), config.hypervisor),
    ]
    provider_by, chosen_provider = _first(providers, ProviderName)
    hypervisor_by, chosen_hypervisor = _first(hypervisors, Hypervisor)
    if chosen_provider is None and chosen_hypervisor is not None:
        # Only Vagrant has hypervisors to choose from.
        provider_by, chosen_provider = hypervisor_by, ProviderName.VAGRANT
    return Preference(
        chosen_provider,
        chosen_hypervisor,
        replica or config.replica,
        asked_by=provider_by,
        insists_on_provider=provider is not None or hypervisor is not None,
        insists_on_replica=replica,
    )


def _first(asked: list[tuple[str, str | None]], kind: type[E]) -> tuple[str, E | None]:
    for who, value in asked:
        if value:
            try:
                return who, kind(value)
            except ValueError as error:
                raise BadInput(f"{who} is '{value}'; it can be: {', '.join(kind)}") from error
    return "", None
