"""Formats the result or the plan of `lab check` for a terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.commands.check_result import Checked, Clashed, Planned
from lab.foundation.language import N_
from lab.judgement.outcome import Outcome, Verdict
from lab.present import ticket
from lab.present.figures import seconds
from lab.present.text.spoken import line, spoken
from lab.present.text.tables import folding, verbatim
from lab.remote_check import trials
from lab.remote_check.plan import COMMON, NAT, RULES


def planned(data: Planned) -> RenderableType:
    """Return the plan of a check."""
    look, plan = data.look, data.plan
    lines = [
        line(f"{data.machine}: kernel {look.kernel} ({look.architecture}), {look.distribution or 'unnamed'}", "bold"),
        line(f"{data.trials + trials.AGAIN} trials would be made side by side, each in two network namespaces."),
        line(_then_behind_dnat(data)),
        line("The namespaces have no names; the kernel removes them when the trial's processes end, however they end."),
        line(f"In each one a rule of {plan.rule} queues what leaves; no rule, setting or file outside is touched."),
        line("No packet leaves the namespaces: resolver and DNS server are both in there."),
    ]
    if plan.sudo:
        lines.append(line("They would be made by sudo -n."))
    if not plan.all_loads:
        lines.append(line("No module would have to be loaded."))
        return Group(*lines)
    lines.append(line(f"These modules would be loaded, and unloaded at the end: {', '.join(plan.all_loads)}."))
    what = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), show_header=False)
    rules = {rule for rule in (plan.rule, plan.behind_dnat.rule) if rule}
    parts = [*COMMON, *(part for rule in rules for part in (*RULES[rule], *NAT[rule]))]
    for module, part in {part.module: part for part in parts if part.module in plan.all_loads}.items():
        what.add_row(module, spoken(part.what))
    return Group(*lines, what, *(Text(f"- {spoken(meaning)}") for meaning in plan.meaning))


def _then_behind_dnat(data: Planned) -> str:
    behind = data.plan.behind_dnat
    if behind.rule is None:
        return N_(f"None would be made behind DNAT to two servers: {behind.why_not}.")
    return N_(f"Then {data.trials} more, in which DNAT maps the two queries to two servers.")


def checked(data: Checked) -> RenderableType:
    """Return the result of a check, trial by trial; the last line is the sentence for a ticket."""
    table = folding("trial", *_HOW, "era", "rests on", "read in")
    for number, (verdict, trial) in enumerate(zip(data.verdicts, data.found.trials, strict=True), start=1):
        shown = (trial.era or "-", trial.sure or "-", ", ".join(trial.rests_on) or "-")
        table.add_row(str(number), *_how(verdict), *shown)
    lines = [] if data.found.era else [Text(f"{spoken(trial)}: {spoken(why)}") for trial, why in _without_era(data)]
    era = data.found.era or spoken("cannot tell")
    sure = f" ({data.found.sure})" if data.found.sure else ""
    lines.append(Text(f"{spoken('era')}: {era}{sure}; {spoken(data.found.reason)}", style="bold"))
    if data.left:
        lines.append(line(f"still loaded: {', '.join(data.left)}", "yellow"))
    stored = line(f"run {data.run.id}, raw files in {data.path}", "dim")
    behind = data.behind_dnat
    below = (
        [_behind_dnat(behind)] if behind else [line(f"behind DNAT to two servers: not tried: {data.why_not}", "yellow")]
    )
    return Group("", table, "", *below, "", *lines, stored, "", verbatim(ticket.checked(data)))


_HOW = (N_("armed"), N_("took"), N_("outcome"))


def _how(verdict: Verdict) -> tuple[RenderableType, ...]:
    armed = {True: spoken("yes"), False: spoken("no"), None: "-"}[verdict.armed]
    outcome = Text(verdict.outcome, style="green" if verdict.outcome is Outcome.HEALTHY else "yellow")
    return armed, seconds(verdict.lookup_s), outcome


def _behind_dnat(clashed: Clashed) -> Table:
    table = folding("behind DNAT to two servers", *_HOW)
    for number, verdict in enumerate(clashed.verdicts, start=1):
        table.add_row(str(number), *_how(verdict))
    return table


def _without_era(data: Checked) -> Iterator[tuple[str, str]]:
    """Yield each reason why trials show no era, with the trials."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for number, trial in enumerate(data.found.trials, start=1):
        if trial.era is None:
            reasons[trial.reason].append(str(number))
    for reason, numbers in reasons.items():
        yield f"trial {', '.join(numbers)}", reason
