"""Formats added kernels, known kernels and classifications for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from lab.commands.classify import KernelClassified, KernelsClassified
from lab.commands.kernels import KernelAdded, Kernels, KernelShown, KernelsRemoved, KnownKernels
from lab.foundation.language import N_
from lab.present import ticket
from lab.present.sentences import NOT_KNOWN
from lab.present.text.spoken import line, spoken
from lab.present.text.tables import folding

_YES = {True: N_("yes"), False: N_("no")}


def kernels(data: Kernels) -> RenderableType:
    """Return a table of kernels."""
    if not data.kernels:
        return line("no kernel was added yet: lab kernel add --help")
    table = folding("kernel", "version", "size", "headers", "era", "state")
    table.columns[2].justify = "right"
    for shown in data.kernels:
        kernel = shown.kernel
        era = kernel.classified.era.value if kernel.classified else spoken(NOT_KNOWN)
        headers = spoken(_YES[kernel.headers])
        table.add_row(kernel.name, kernel.release, _size(shown), headers, era, spoken(shown.state.value))
    sources = [Text(f"{shown.kernel.name}: {spoken(f'from {_sources(shown)}')}", style="dim") for shown in data.kernels]
    lacks = [lack for shown in data.kernels for lack in _lacks(shown)]
    return Group(table, "", *sources, *lacks)


def known(data: KnownKernels) -> RenderableType:
    """Return a table of the known kernels, followed by the sources of their eras."""
    table = folding("name", "version", "era", "cached", "added as")
    for one in data.kernels:
        era = one.era.value if one.era else spoken("not measured")
        table.add_row(one.known.name, one.known.release, era, spoken(_YES[one.cached]), one.added_as or "-")
    measured = [
        Text(f"{one.known.name}: {one.era}: {one.measured}", style="dim") for one in data.kernels if one.era is not None
    ]
    unchecked = [one.known.name for one in data.kernels if not one.known.checked]
    if unchecked:
        measured.append(line(f"the names of their files were never checked: {', '.join(unchecked)}", "yellow"))
    return Group(table, "", *measured, line("lab kernel add NAME obtains and adds one", "bold"))


def added(data: KernelAdded) -> RenderableType:
    """Return a kernel that was added."""
    kernel = data.shown.kernel
    about = f"{kernel.release}, {kernel.modules} modules, {_size(data.shown)}"
    state = f"kernel {kernel.name} was added" if data.new else f"kernel {kernel.name} is there already"
    lines = [Text(f"{spoken(state)}: {spoken(about)}")]
    lines += [
        Text(f"{_short(source.given)}: SHA-256 {source.sha256}", style="dim")
        for source in kernel.sources
        if source.sha256
    ]
    if not kernel.headers:
        text = N_(
            "no headers were given: packets will be queued by a rule, and the kernel is traced only if it has BTF"
        )
        lines.append(line(text))
    lines += _lacks(data.shown)
    return Group(*lines, line(f"is it affected? lab classify {kernel.name}", "bold"))


def removed(data: KernelsRemoved) -> RenderableType:
    """Return the names of the kernels that were removed."""
    return line(f"removed: {', '.join(data.names)}")


def classified(data: KernelsClassified) -> RenderableType:
    """Return the classification of each kernel, and its trials."""
    return Group(*(part for one in data.machines for part in _classified(one)))


def _classified(one: KernelClassified) -> Iterable[RenderableType]:
    found = one.found
    yield Text("")
    yield Text(ticket.classified(one), style="bold")
    yield line(f"{found.armed} of {len(found.trials)} trials were armed, {found.stalled} of them stalled", "dim")
    table = folding("trial", "era", "rests on", "what it shows")
    for name, trial in zip(one.trials, found.trials, strict=True):
        table.add_row(name, trial.era or "-", ", ".join(trial.rests_on) or "-", spoken(trial.reason))
    if found.trials:
        yield table
    if one.run:
        last = one.trials[-1] if one.trials else ""
        yield line(f"run {one.run}; packet by packet: lab show {one.run} {last}", "dim")


def _lacks(shown: KernelShown) -> Iterable[Text]:
    if shown.kernel.lacks:
        name, lacks = shown.kernel.name, ", ".join(shown.kernel.lacks)
        yield line(
            f"{name} has no {lacks}: no trial can be made on it; was a package of its modules forgotten?", "yellow"
        )


def _size(shown: KernelShown) -> str:
    return f"{shown.size_bytes / 1e6:.0f} MB"


def _sources(shown: KernelShown) -> str:
    return ", ".join(_short(source.given) for source in shown.kernel.sources)


def _short(given: str) -> str:
    return given.rstrip("/").rsplit("/", 1)[-1]
