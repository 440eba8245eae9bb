"""Results as text for a terminal: tables and sentences, still readable without colour and when narrow."""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.bench.run import Benched
from lab.commands.box import BoxBuilt
from lab.commands.check import Checked, Planned
from lab.commands.classify import KernelsClassified
from lab.commands.doctor import Diagnosis
from lab.commands.handout import HandoutWritten
from lab.commands.kernels import KernelAdded, Kernels, KernelsRemoved
from lab.commands.lesson import StepsListed
from lab.commands.machines import MachineStatus, Statuses
from lab.commands.matrix import MatrixMade
from lab.commands.mystery import MysteriesListed
from lab.commands.plan import MachinePlan, Plan
from lab.commands.report import ReportData
from lab.commands.run import RunDone
from lab.commands.show import RawShown, RunShown, TrialShown
from lab.commands.ssh import Printed
from lab.commands.sweep import Swept
from lab.comparison import Cell, Comparison, sentence
from lab.diagnosis.conclusion import Conclusion
from lab.report import checking, diagnosis, kernels, matrix, sentences
from lab.report.figures import interval, peak, seconds
from lab.report.narrow import FittingTable
from lab.report.timeline import timeline
from lab.store import RanOn


@singledispatch
def render(data: object) -> RenderableType:
    """Give a result's data as something the terminal can print."""
    raise TypeError(f"nothing says how {type(data).__name__} is written as text")


@render.register
def _(data: Comparison) -> RenderableType:
    table = _table()
    table.add_column("scenario, machine", overflow="fold", min_width=16)
    traced = any(cell.traced.trials for cell in data.cells)
    for name in ("trials", "armed", "stalled", "95 %", "took about", "median", *(["traced"] if traced else [])):
        table.add_column(name, justify="right", no_wrap=name != "took about")
    table.add_column("outcome", overflow="fold", min_width=7)
    previous = None
    for cell in data.cells:
        if cell.scenario != previous:
            table.add_row(Text(cell.scenario, style="bold"))
        machine = sentences.called(cell.machine, data.machines[cell.machine])
        table.add_row(f"  {machine}", *_figures(cell, traced=traced))
        previous = cell.scenario
    left_out = [Text(sentences.left_out(left)) for left in data.left_out]
    machines = [_machine(name, machine) for name, machine in data.machines.items()]
    kernels = [Text(sentence(name, data.cells), style="bold") for name in data.machines]
    differences = [Text(told) for told in sentences.differences(data)]
    tracing = [_tracing(cell) for cell in data.cells if cell.bare.trials and cell.traced.trials and cell.arms]
    return Group("", table, "", *left_out, *machines, *filter(None, tracing), "", *kernels, *differences)


render.register(MatrixMade, matrix.matrix)
render.register(Kernels, kernels.kernels)
render.register(KernelAdded, kernels.added)
render.register(KernelsRemoved, kernels.removed)
render.register(KernelsClassified, kernels.classified)


def _table() -> Table:
    return FittingTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")


def _figures(cell: Cell, *, traced: bool) -> Iterable[RenderableType]:
    outcome = Text(cell.verdict.value, style=_style(cell.verdict.value))
    for unjudged, count in cell.unjudged.items():
        outcome.append(f", {count} of {cell.trials} {unjudged}", style=_style("failed"))
    if cell.expected and not cell.fits:
        outcome.append(f", expected {cell.expected}", style="bold red")
    stalled = Text(str(cell.stalled), style=_style("stalled") if cell.stalled else "")
    took = ", ".join(f"{peak(near_s)}: {count}" for near_s, count in cell.peaks.items())
    medians = [seconds(cell.bare.median_s), seconds(cell.traced.median_s)] if traced else [seconds(cell.median_s)]
    return str(cell.trials), str(cell.armed), stalled, interval(cell.interval), took or "-", *medians, outcome


def _tracing(cell: Cell) -> Text | None:
    """Say where following the packets changed how many trials were armed or stalled; the medians are in the table."""
    bare, traced = ((part.trials, part.armed, part.stalled) for part in (cell.bare, cell.traced))
    if bare == traced:
        return None
    told = " against ".join(
        f"{armed} of {trials} armed, {stalled} stalled" for trials, armed, stalled in (traced, bare)
    )
    return Text(f"{cell.scenario} on {cell.machine}, with evidence against without: {told}", style="yellow")


def _machine(name: str, machine: RanOn) -> Text:
    return Text(sentences.machine(name, machine), style="dim")


def _style(verdict: str) -> str:
    return {"stalled": "yellow", "healthy": "green", "failed": "red", "mixed": "yellow"}.get(verdict, "")


@render.register
def _(data: RunDone) -> RenderableType:
    return Group(render(data.comparison), Text(f"run {data.run.id}, raw files in {data.path}", style="dim"))


@render.register
def _(data: Swept) -> RenderableType:
    table = _table()
    table.add_column("machine, verdicts held for", overflow="fold")
    for name in ("trials", "armed", "95 %", "stalled", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    previous = None
    for point in data.points:
        if point.machine != previous:
            table.add_row(Text(sentences.called(point.machine, data.machines[point.machine]), style="bold"))
        shares = [
            cell for share in (point.armed, point.stalled) for cell in (str(share.count), interval(share.interval))
        ]
        table.add_row(f"  {point.hold_s * 1000:.0f} ms", str(point.armed.of), *shares)
        previous = point.machine
    machines = [_machine(name, machine) for name, machine in data.machines.items()]
    where = Text(f"run {data.run}, raw files in {data.path}\nplot: {data.plot}", style="dim")
    return Group("", table, "", *machines, where)


@render.register
def _(data: Benched) -> RenderableType:
    table = _table()
    table.add_column("measured", overflow="fold")
    for name in ("median", "range", "of"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, part in data.parts.items():
        table.add_row(Text(f"{name}, {part.measured}, load {part.load:g}", style="bold"))
        for figure_name, figure in part.figures.items():
            spread = "" if figure.least is None else f"{figure.least:g} - {figure.most:g}"
            table.add_row(f"  {figure_name}", f"{figure.value:g}", spread, str(figure.of))
    return Group("", table, Text(f"written to {data.path}", style="dim"))


@render.register
def _(data: TrialShown) -> RenderableType:
    return timeline(data)


@render.register
def _(data: RawShown) -> RenderableType:
    # In a group, or the console would put it together with what else it prints, and break its lines.
    return Group(_verbatim("\n".join(data.lines)))


@render.register
def _(data: Printed) -> RenderableType:
    # In a group, or the console would put it together with what else it prints, and break its lines.
    return Group(_verbatim("\n".join(data.lines)))


@render.register
def _(data: RunShown) -> RenderableType:
    table = _table()
    for name in ("trial", "outcome", "took", "what happened"):
        table.add_column(name, overflow="fold")
    for shown in data.trials:
        verdict = shown.verdict
        outcome = Text(verdict.outcome.value, style=_style(verdict.outcome.value))
        table.add_row(shown.name, outcome, seconds(verdict.lookup_s), verdict.reason)
    return Group(table, Text(f"run {data.run.id}; one of them whole: lab show {data.run.id} TRIAL", style="dim"))


@render.register
def _(data: Conclusion) -> RenderableType:
    return diagnosis.text(data)


@render.register
def _(data: HandoutWritten) -> RenderableType:
    told = [_verbatim(str(path)) for path in data.paths]
    missing = [Text(f"without outputs, as the lesson did not come to them: {', '.join(data.not_walked)}")]
    return Group(*told, *(missing if data.not_walked else []), Text(f"with the outputs of run {data.run}", style="dim"))


@render.register
def _(data: StepsListed) -> RenderableType:
    return _list(data.steps)


@render.register
def _(data: MysteriesListed) -> RenderableType:
    return _list(data.mysteries)


def _list(named: Iterable[tuple[str, str]]) -> RenderableType:
    table = _table()
    table.show_header = False
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, title in named:
        table.add_row(Text(name, style="bold"), title)
    return table


@render.register
def _(data: Statuses) -> RenderableType:
    table = _table()
    for name in ("machine", "state", "by", "era", "kernel", "address"):
        table.add_column(name, no_wrap=True)
    for machine in data.machines:
        name = sentences.called(machine.name, machine)
        kernel, address = machine.kernel or "-", machine.address or "-"
        table.add_row(
            name, _state(machine), machine.provider or "-", machine.era or sentences.NOT_KNOWN, kernel, address
        )
    about = [_about(machine) for machine in data.machines]
    problems = [Text(machine.problem, style="red") for machine in data.machines if machine.problem]
    return Group(table, "", *about, *problems)


def _about(machine: MachineStatus) -> Text:
    saved = "; its state is saved" if machine.saved else ""
    return Text(f"{machine.name}: {machine.title}{saved}", style="dim")


def _state(machine: MachineStatus) -> Text:
    if machine.problem:
        return Text("running, does not answer", style="red")
    if machine.provisioned:
        return Text("provisioned", style="green")
    return Text(machine.state.value)


@render.register
def _(data: Plan) -> RenderableType:
    return Group(*(part for machine in data.machines for part in _plan(machine)))


def _plan(machine: MachinePlan) -> Iterable[RenderableType]:
    yield Text(f"{machine.name}: {machine.title}, by {machine.provider}: {machine.reason}", style="bold")
    if machine.vagrantfile:
        yield Text("\nVagrantfile:\n")
        yield _verbatim(machine.vagrantfile)
    if machine.steps:
        yield Text("In the guest, as far as it is not there already:\n")
    for step in machine.steps:
        yield _verbatim(f"# {step.title}")
        yield _verbatim("\n".join(step.lines()) + "\n")


def _verbatim(text: str) -> Text:
    """Lines that are to be copied are never broken."""
    return Text(text, no_wrap=True, overflow="ignore")


@render.register
def _(data: BoxBuilt) -> RenderableType:
    return _verbatim(f"{data.path}\nversion {data.version}, sha256 {data.sha256}")


@render.register
def _(data: Diagnosis) -> RenderableType:
    table = _table()
    table.show_header = False
    for _column in range(3):
        table.add_column(overflow="fold")
    for check in data.checks:
        if check.ok:
            mark = Text("ok", style="green")
        else:
            mark = Text("missing" if check.needed else "without", style="red" if check.needed else "yellow")
        table.add_row(mark, check.name, check.found)
    told = [Text(f"mend it: {command}", style="bold") for command in data.mend]
    return Group(table, "", *told) if told else table


@render.register
def _(data: Planned) -> RenderableType:
    return checking.planned_text(data)


@render.register
def _(data: Checked) -> RenderableType:
    return checking.checked_text(data)


@render.register
def _(data: ReportData) -> RenderableType:
    told = [Text(sentence(name, data.comparison.cells), style="bold") for name in data.comparison.machines]
    lacks = [Text(f"without {lack.what}: {lack.command}", style="dim") for lack in data.lacks]
    files = [path for path in (data.html, data.pdf) if path]
    return Group(*told, *lacks, *(_verbatim(str(path)) for path in files))
