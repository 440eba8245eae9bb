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


def gather(provider: str | None, hypervisor: str | None, config_file: Path, *, replica: bool | None) -> Preference:
    """Put together what was asked for; the command line counts most, then the environment, then the file.

    Only Vagrant has hypervisors to choose from, so who asks for one asks for Vagrant, unless a provider is asked for
    in a place that counts more. In one and the same place a hypervisor beside the embedded provider is what Vagrant
    shall use once it is asked for; on the command line it makes no sense.

    Args:
        provider: What `--provider` said.
        hypervisor: What `--hypervisor` said.
        config_file: The config file; it need not exist.
        replica: Whether `--replica` (or `--no-replica`) was given.

    Raises:
        BadInput: one of them names something that there is not, or the command line contradicts itself.
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
    provider_place, chosen_provider = _first(providers, ProviderName)
    hypervisor_place, chosen_hypervisor = _first(hypervisors, Hypervisor)
    asked_by = providers[provider_place][0] if chosen_provider else ""
    if chosen_hypervisor and hypervisor_place < provider_place:
        asked_by, chosen_provider = hypervisors[hypervisor_place][0], ProviderName.VAGRANT
    if chosen_provider is ProviderName.QEMU:
        if provider and hypervisor:
            raise BadInput(
                f"--provider qemu has no hypervisor to choose, and --hypervisor is '{hypervisor}'",
                hint="leave one of them out; Vagrant has them: --provider vagrant",
            )
        chosen_hypervisor = None
    return Preference(
        chosen_provider,
        chosen_hypervisor,
        config.replica if replica is None else replica,
        asked_by=asked_by,
        insists_on_provider=provider is not None or hypervisor is not None,
        insists_on_replica=bool(replica),
    )


def _first(asked: list[tuple[str, str | None]], kind: type[E]) -> tuple[int, E | None]:
    """Give the first thing that was asked for, with its place in the list; the place after the last one for none."""
    for place, (who, value) in enumerate(asked):
        if value:
            try:
                return place, kind(value)
            except ValueError as error:
                raise BadInput(f"{who} is '{value}'; it can be: {', '.join(kind)}") from error
    return len(asked), None
