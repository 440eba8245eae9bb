"""Formats a report as members of a JSON object, which the page is rendered from, too."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lab.catalogue.scenario import Scenario
from lab.commands.report import ReportData
from lab.commands.workarounds import WorkaroundsTried
from lab.comparison.exhibit import Exhibit, ToolLine, local_out_s
from lab.comparison.review import Judged
from lab.comparison.time_axis import Fold
from lab.comparison.twins import Twins
from lab.evidence.quotes import Quote
from lab.judgement.lifeline import Lifeline, Point
from lab.judgement.outcome import Outcome
from lab.present.json import workarounds
from lab.present.json.comparison import comparison
from lab.runs.run import Run


def report(data: ReportData) -> dict[str, Any]:
    """Return the members of a report, including those of its comparison."""
    return {
        "html": str(data.html),
        "pdf": str(data.pdf) if data.pdf else None,
        "lab": data.version,
        "runs": [_run(run) for run in data.runs],
        "scenarios": {
            name: {"title": scenario.title, "shows": scenario.shows, "arms": scenario.arms}
            for name, scenario in _scenarios(data).items()
        },
        "answers": [vars(answer) for answer in data.answers],
        "times": _times(data.trials),
        "trials": [_trial(trial) for trial in data.trials],
        "twins": _twins(data.twins) if data.twins else None,
        "dial": [
            {
                "machine": point.machine,
                "hold_s": point.hold_s,
                "armed": vars(point.armed),
                "stalled": vars(point.stalled),
            }
            for point in data.dial
        ],
        "workarounds": [
            {
                "scenario": found.scenario.name,
                "title": found.scenario.title,
                "shows": found.scenario.shows,
                "hold_s": found.scenario.queue.hold_s if found.scenario.queue else None,
                "tried": {
                    cell.machine: {
                        "trials": cell.trials,
                        "counted": cell.counted,
                        "stalled": cell.stalled,
                        "median_s": cell.own_median_s,
                        "verdict": cell.verdict.value,
                        "as_expected": cell.as_expected,
                    }
                    for cell in found.cells
                },
            }
            for found in data.workarounds
        ],
        "products": _products(data),
        "changes": [_change(tried) for tried in data.changes],
        "stalls": [vars(stall) | {"name": stall.name or None} for stall in data.stalls],
        "lacks": [{"what": lack.what.value, "command": lack.command} for lack in data.lacks],
        **comparison(data.comparison),
    }


def _scenarios(data: ReportData) -> dict[str, Scenario]:
    """Return the scenarios that were run, followed by those that every machine left out."""
    asked = {name: scenario for run in data.runs for name, scenario in run.scenarios.items()}
    return data.comparison.scenarios | {
        left.scenario: asked[left.scenario]
        for left in data.comparison.left_out
        if left.scenario not in data.comparison.scenarios
    }


def _products(data: ReportData) -> list[dict[str, Any]]:
    """Return the scenarios that bring a product along, with how each went."""
    return [
        {
            "scenario": scenario.name,
            "product": scenario.agent.product,
            "packages": list(scenario.agent.packages),
            "tried": {
                cell.machine: {
                    "verdict": cell.verdict.value,
                    "trials": cell.trials,
                    "armed": cell.armed,
                    "counted": cell.counted,
                    "stalled": cell.stalled,
                    "median_s": cell.own_median_s,
                    "reason": _reason(data.trials, cell.machine, scenario.name),
                }
                for cell in data.comparison.cells
                if cell.scenario == scenario.name
            },
        }
        for scenario in data.comparison.scenarios.values()
        if scenario.agent
    ]


def _reason(trials: tuple[Judged, ...], machine: str, scenario: str) -> str:
    """Return the reason of the first trial, in which the product's own times or last words are."""
    own = (trial for trial in trials if (trial.machine, trial.scenario) == (machine, scenario))
    return next((trial.verdict.reason for trial in own), "")


def _change(tried: WorkaroundsTried) -> dict[str, Any]:
    """Return what each workaround did to a scenario."""
    return {
        "run": tried.run,
        "scenario": tried.table.scenario,
        "workarounds": [
            {
                "name": each.name,
                "title": each.title,
                "costs": each.costs,
                "tried": {row.machine: workarounds.row(row) for row in tried.table.rows if row.workaround == each.name},
            }
            for each in tried.known
        ],
    }


def _run(run: Run) -> dict[str, Any]:
    return {"run": run.id, "started": run.started, "finished": run.finished, "trials": run.trials}


def _times(trials: tuple[Judged, ...]) -> list[dict[str, Any]]:
    made = Counter(trial.machine for trial in trials)
    stalled = Counter(trial.machine for trial in trials if trial.verdict.outcome is Outcome.STALLED)
    return [{"machine": name, "trials": count, "stalled": stalled[name]} for name, count in made.items()]


def _trial(trial: Judged) -> dict[str, Any]:
    verdict = trial.verdict
    return {
        "trial": f"{trial.machine}/{trial.scenario}/{trial.number}",
        "run": trial.run,
        "machine": trial.machine,
        "scenario": trial.scenario,
        "number": trial.number,
        "outcome": verdict.outcome.value,
        "armed": verdict.armed,
        "lookup_s": verdict.lookup_s,
        "evidence": verdict.gathered,
    }


def _twins(twins: Twins) -> dict[str, Any]:
    return {
        "scenario": twins.scenario.name,
        "title": twins.scenario.title,
        "retry_s": twins.scenario.retry_s,
        "client": twins.scenario.lookup.client.value,
        "evidence": twins.gathered,
        "folds": [_fold(fold) for fold in twins.folds],
        "exhibits": [_exhibit(shown) for shown in twins.exhibits],
    }


def _fold(fold: Fold) -> dict[str, Any]:
    return {"from_s": fold.from_s, "until_s": fold.until_s, "lasts_s": fold.lasts_s}


def _exhibit(shown: Exhibit) -> dict[str, Any]:
    return {
        **_trial(shown.judged),
        "start_s": shown.start_s,
        "conntracks": [f"{address:016x}" for address in shown.conntracks],
        "lifelines": [_lifeline(line, shown) for line in shown.lifelines],
        "waits": [
            {
                "from_s": wait.from_s,
                "until_s": wait.until_s,
                "lasts_s": wait.until_s - wait.from_s,
                "lines": [_where(quote) for quote in wait.quotes],
            }
            for wait in shown.waits
        ],
        "quotes": [vars(quote) for quote in _every_quote(shown)],
        "tools": {
            "hook": [_line(line) for line in shown.hook],
            "trace": [_line(line) for line in shown.trace],
            "strace": [_line(line) for line in shown.strace],
            "wire": [_line(line) for line in shown.wire],
        },
        "counters": [{**vars(reading), "rose": reading.after - reading.before} for reading in shown.counters],
        "not_there": shown.not_there,
    }


def _every_quote(shown: Exhibit) -> list[Quote]:
    tools = (*shown.hook, *shown.trace, *shown.strace, *shown.wire)
    waits = [quote for wait in shown.waits for quote in wait.quotes]
    return list(dict.fromkeys([*shown.quotes, *waits, *(line.quote for line in tools)]))


def _where(quote: Quote) -> dict[str, Any]:
    return {"source": quote.source, "line": quote.line}


def _line(line: ToolLine) -> dict[str, Any]:
    return {**vars(line.quote), "conntrack": line.conntrack, "telling": line.telling}


def _lifeline(line: Lifeline, shown: Exhibit) -> dict[str, Any]:
    passed = local_out_s(line)
    return {
        "dns_id": line.dns_id,
        "qtype": line.qtype,
        "sport": line.sport,
        "attempt": line.attempt,
        "lost_at": line.lost_at.value if line.lost_at else None,
        "local_out": {"from_s": shown.after_s(passed[0]), "until_s": shown.after_s(passed[1])} if passed else None,
        "points": [_point(point, shown) for point in line.points],
    }


def _point(point: Point, shown: Exhibit) -> dict[str, Any]:
    return {
        "stage": point.stage.value,
        "status": point.status.value,
        "after_s": shown.after_s(point.time_s),
        "within_s": point.within_s,
        "conntrack": shown.conntracks.index(point.ct) if point.ct in shown.conntracks else None,
        "returned": point.returned,
        "clashed": point.clashed,
        "seen_by": list(point.seen_by),
        "missed_by": list(point.missed_by),
        "lines": [{"source": source, "line": line} for source, line in point.lines],
    }
