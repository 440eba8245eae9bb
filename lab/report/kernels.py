"""Kernels that were added, and what was found of a kernel, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.catalogue.era import Era
from lab.commands.classify import KernelClassified, KernelsClassified
from lab.commands.kernels import KernelAdded, Kernels, KernelShown, KernelsRemoved
from lab.report.sentences import NOT_KNOWN

_MEANS = {
    Era.DROP: "It is affected: of two DNS queries that clash behind NFQUEUE it drops one, in silence, and the lookup "
    "waits for the resolver's timeout (five seconds with glibc).",
    Era.RESOLVE: "It is not affected by the plain clash: the second query gets the first one's conntrack at confirm, "
    "and both are answered.",
    Era.RELOOKUP: "It is not affected by the plain clash: a packet that comes back from the queue is looked up again, "
    "and nothing clashes.",
}


def kernels(data: Kernels) -> RenderableType:
    """Give a table of kernels."""
    if not data.kernels:
        return Text("no kernel was added yet: lab kernel add --help")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("kernel", "version", "size", "headers", "era", "state"):
        table.add_column(name, overflow="fold", justify="right" if name == "size" else "left")
    for shown in data.kernels:
        kernel = shown.kernel
        era = kernel.classified.era.value if kernel.classified else NOT_KNOWN
        headers = "yes" if kernel.headers else "no"
        table.add_row(kernel.name, kernel.release, _size(shown), headers, era, shown.state.value)
    sources = [Text(f"{shown.kernel.name}: from {_sources(shown)}", style="dim") for shown in data.kernels]
    lacks = [Text(line, style="yellow") for shown in data.kernels for line in _lacks(shown)]
    return Group(table, "", *sources, *lacks)


def added(data: KernelAdded) -> RenderableType:
    """Say what was added."""
    kernel = data.shown.kernel
    told = "added" if data.new else "is there already"
    lines = [Text(f"kernel {kernel.name} {told}: {kernel.release}, {kernel.modules} modules, {_size(data.shown)}")]
    lines += [
        Text(f"{_short(source.given)}: SHA-256 {source.sha256}", style="dim")
        for source in kernel.sources
        if source.sha256
    ]
    if not kernel.headers:
        lines.append(Text("no headers were given: packets will be queued by a rule, and the kernel is not traced"))
    lines += [Text(line, style="yellow") for line in _lacks(data.shown)]
    return Group(*lines, Text(f"is it affected? lab classify {kernel.name}", style="bold"))


def removed(data: KernelsRemoved) -> RenderableType:
    """Say what is gone."""
    return Text(f"removed: {', '.join(data.names)}")


def classified(data: KernelsClassified) -> RenderableType:
    """Give what was found of each kernel, and by which trials."""
    return Group(*(part for one in data.machines for part in _classified(one)))


def _classified(one: KernelClassified) -> Iterable[RenderableType]:
    found = one.found
    yield Text("")
    yield Text(sentence(one), style="bold")
    yield Text(f"{found.armed} of {len(found.trials)} trials were armed, {found.stalled} of them stalled", style="dim")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("trial", "era", "rests on", "what it shows"):
        table.add_column(name, overflow="fold")
    for name, trial in zip(one.trials, found.trials, strict=True):
        table.add_row(name, trial.era or "-", ", ".join(trial.rests_on) or "-", trial.reason)
    if found.trials:
        yield table
    if one.run:
        yield Text(
            f"run {one.run}; packet by packet: lab show {one.run} {one.trials[-1] if one.trials else ''}", style="dim"
        )


def sentence(one: KernelClassified) -> str:
    """Say in words that can be pasted into a ticket what was found of a kernel."""
    found, ran_on = one.found, one.ran_on
    if ran_on is None or found.era is None:
        kernel = f"kernel {ran_on.kernel}" if ran_on else "its kernel"
        return f"{one.name}: whether {kernel} is affected cannot be told: {found.reason}."
    replica = ", on a replica," if ran_on.replica else ""
    queue = "the hook module" if ran_on.queued_by == "nfqdns" else f"a rule of {ran_on.queued_by}"
    return (
        f"{one.name}: kernel {ran_on.kernel}{replica} is of era {found.era} ({found.sure}, packets queued by {queue}): "
        f"{found.reason}. {_MEANS[found.era]}"
    )


def shown_fields(shown: KernelShown) -> dict[str, object]:
    """Give a kernel as JSON's members."""
    return {**shown.kernel.model_dump(mode="json"), "size_bytes": shown.size_bytes, "state": shown.state}


def classified_fields(one: KernelClassified) -> dict[str, object]:
    """Give what was found of a kernel as JSON's members."""
    found = one.found
    trials = [{"trial": name, **vars(trial)} for name, trial in zip(one.trials, found.trials, strict=True)]
    ran_on = one.ran_on.model_dump(mode="json", exclude={"era"}) if one.ran_on else None
    return {**vars(found), "trials": trials, "run": one.run, "machine": ran_on, "sentence": sentence(one)}


def _lacks(shown: KernelShown) -> Iterable[str]:
    if shown.kernel.lacks:
        lacks = ", ".join(shown.kernel.lacks)
        yield f"{shown.kernel.name} has no {lacks}: no trial can be made on it; was a package of its modules forgotten?"


def _size(shown: KernelShown) -> str:
    return f"{shown.size_bytes / 1e6:.0f} MB"


def _sources(shown: KernelShown) -> str:
    return ", ".join(_short(source.given) for source in shown.kernel.sources)


def _short(given: str) -> str:
    return given.rstrip("/").rsplit("/", 1)[-1]
