"""Formats the result of `lab list` for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType

from lab.commands.listing import KernelListed, Listed, MachineListed
from lab.foundation.language import N_
from lab.present import sentences
from lab.present.text.spoken import in_report, line, spoken
from lab.present.text.tables import listed as rows


def listed(data: Listed) -> RenderableType:
    """Return a table of each kind, with the kind's name above it if there are several."""
    parts: list[RenderableType] = []
    shown = [each for each in (data.machines, data.scenarios, data.kernels) if each is not None]
    for heading, part in _parts(data):
        if len(shown) > 1:
            parts += [*([""] if parts else []), line(heading, "bold underline")]
        parts.append(part)
    return Group(*parts)


def _parts(data: Listed) -> Iterable[tuple[str, RenderableType]]:
    if data.machines is not None:
        yield N_("machines"), rows((one.name, _machine(one)) for one in data.machines)
    if data.scenarios is not None:
        yield N_("scenarios"), rows((one.name, in_report(one.title)) for one in data.scenarios)
    if data.kernels:
        yield N_("kernels"), rows((one.name, _kernel(one)) for one in data.kernels)
    elif data.kernels is not None:
        yield N_("kernels"), line("none was added yet; those known by a name: lab kernel known")


def _machine(one: MachineListed) -> str:
    era = one.era or spoken(sentences.NOT_KNOWN)
    return spoken(f"{one.title}; era {era}; system {', '.join(one.systems)}")


def _kernel(one: KernelListed) -> str:
    return spoken(f"{one.release}; era {one.era or spoken(sentences.NOT_KNOWN)}")
