"""What `lab check` found out, or would do, as text for a terminal and as members of a JSON object."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.checking.look import Look
from lab.checking.plan import COMMON, RULES, Plan
from lab.commands.check import Checked, Planned
from lab.report.figures import seconds
from lab.report.ticket import sentence
from lab.verdict import Outcome


def planned_text(data: Planned) -> RenderableType:
    """Say what a check would do."""
    look, plan = data.look, data.plan
    lines = [
        Text(f"{data.machine}: kernel {look.kernel} ({look.architecture}), {look.distribution or 'unnamed'}", "bold"),
        Text(f"{data.trials} trials would be made side by side, each in two network namespaces of its own."),
        Text("The namespaces have no names; the kernel removes them when the trial's processes end, however they end."),
        Text(f"In each one a rule of {plan.rule} queues what leaves; no rule, setting or file outside is touched."),
        Text("No packet leaves the namespaces: resolver and DNS server are both in there."),
    ]
    if plan.sudo:
        lines.append(Text("They would be made by sudo -n."))
    if not plan.load:
        lines.append(Text("No module would have to be loaded."))
        return Group(*lines)
    lines.append(Text(f"These modules would be loaded, and unloaded at the end: {', '.join(plan.load)}."))
    what = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), show_header=False)
    for part in (*COMMON, *RULES[plan.rule]):
        if part.module in plan.load:
            what.add_row(part.module, part.what)
    return Group(*lines, what, *(Text(f"- {meaning}") for meaning in plan.meaning))


def checked_text(data: Checked) -> RenderableType:
    """Say what was found out, trial by trial, and end with the sentence for a ticket."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("trial", "armed", "took", "outcome", "era", "rests on", "read in"):
        table.add_column(name, overflow="fold")
    for number, (verdict, trial) in enumerate(zip(data.verdicts, data.found.trials, strict=True), start=1):
        armed = {True: "yes", False: "no", None: "-"}[verdict.armed]
        outcome = Text(verdict.outcome, style="green" if verdict.outcome is Outcome.HEALTHY else "yellow")
        shown = (trial.era or "-", trial.sure or "-", ", ".join(trial.rests_on) or "-")
        table.add_row(str(number), armed, seconds(verdict.lookup_s), outcome, *shown)
    lines = [] if data.found.era else [Text(f"{trial}: {why}") for trial, why in _silent(data)]
    era = data.found.era or "cannot tell"
    sure = f" ({data.found.sure})" if data.found.sure else ""
    lines.append(Text(f"era: {era}{sure}; {data.found.reason}", style="bold"))
    if data.left:
        lines.append(Text(f"still loaded: {', '.join(data.left)}", style="yellow"))
    stored = Text(f"run {data.run.id}, raw files in {data.path}", style="dim")
    return Group("", table, "", *lines, stored, "", Text(sentence(data), no_wrap=True, overflow="ignore"))


def _silent(data: Checked) -> Iterator[tuple[str, str]]:
    """Say why trials tell nothing, each reason once."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for number, trial in enumerate(data.found.trials, start=1):
        if trial.era is None:
            reasons[trial.reason].append(str(number))
    for reason, numbers in reasons.items():
        yield f"trial {', '.join(numbers)}", reason


def planned_fields(data: Planned) -> dict[str, object]:
    """Give the members of a plan's JSON object."""
    return {"machine": data.machine, "trials": data.trials, **_about(data.look), "plan": _plan(data.plan)}


def checked_fields(data: Checked) -> dict[str, object]:
    """Give the members of a check's JSON object."""
    return {
        "machine": data.machine,
        **_about(data.look),
        "plan": _plan(data.plan),
        "run": data.run.id,
        "path": str(data.path),
        "era": data.found.era,
        "sure": data.found.sure,
        "reason": data.found.reason,
        "armed": data.found.armed,
        "stalled": data.found.stalled,
        "trials": [
            {"outcome": verdict.outcome, "armed": verdict.armed, "lookup_s": verdict.lookup_s, **vars(trial)}
            for verdict, trial in zip(data.verdicts, data.found.trials, strict=True)
        ],
        "still_loaded": data.left,
        "sentence": sentence(data),
    }


def _about(look: Look) -> dict[str, object]:
    return {
        "kernel": look.kernel,
        "architecture": look.architecture,
        "system": look.distribution,
        "replica": look.is_replica,
    }


def _plan(plan: Plan) -> dict[str, object]:
    return {"rule": plan.rule, "sudo": plan.sudo, "load": plan.load, "meaning": plan.meaning}
