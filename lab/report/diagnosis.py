"""What `lab diagnose` found, for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.diagnosis.advice import Advice
from lab.diagnosis.conclusion import Answer, Conclusion
from lab.diagnosis.findings import Finding
from lab.diagnosis.material import Place

_STYLES = {Answer.THIS_BUG: "bold yellow", Answer.ANOTHER_CAUSE: "bold green", Answer.CANNOT_TELL: "bold"}

PLACES_MAX = 12
"""So many lines say it as well as a hundred."""

TEXT_MAX = 240
"""So much of a line is shown; --json has more."""


def text(data: Conclusion) -> RenderableType:
    """Give the answer, the lines that say so, the warnings, and what to collect next."""
    first, rest = data.sentence[:1], data.sentence[1:]
    parts: list[RenderableType] = [Text(first.upper() + rest, style=_STYLES[data.answer])]
    if data.finding is not None:
        parts += [_heading("what says so"), _places(data.finding.places)]
        if data.finding.against:
            parts += [_heading("what speaks against it"), *_sentences(data.finding.against, "")]
    if data.others:
        parts += [_heading("found as well"), *(part for finding in data.others for part in _other(finding))]
    if data.warnings:
        parts += [_heading("beware"), *_sentences(data.warnings, "yellow")]
    if data.collect:
        parts += [_heading("to be sure, collect"), *(part for each in data.collect for part in _advice(each))]
    read = ", ".join(f"{name} ({kind})" for name, kind in dict(data.read).items())
    lookups = "one lookup" if data.lookups == 1 else f"{data.lookups} lookups"
    return Group(*parts, "", Text(f"read: {read}; {lookups}", style="dim"))


def _heading(words: str) -> Text:
    return Text(f"\n{words}:", style="bold")


def _places(places: Sequence[Place]) -> RenderableType:
    parts: list[RenderableType] = []
    for place in places[:PLACES_MAX]:
        parts += [Text(f"  {place}", style="cyan"), Padding(Text(place.text[:TEXT_MAX], overflow="fold"), (0, 0, 0, 6))]
    if len(places) > PLACES_MAX:
        parts.append(Text(f"  ... and {len(places) - PLACES_MAX} more: --json has all", style="dim"))
    return Group(*parts)


def _sentences(sentences: Iterable[str], style: str) -> Iterable[RenderableType]:
    for sentence in sentences:
        table = Table.grid(padding=(0, 1))
        table.add_row(" -", Text(sentence, style=style))
        yield table


def _other(finding: Finding) -> Iterable[RenderableType]:
    yield from _sentences([f"{finding.cause}: {finding.says}"], "")
    yield Padding(_places(finding.places[:2]), (0, 0, 0, 3))


def _advice(advice: Advice) -> Iterable[RenderableType]:
    yield from _sentences([advice.what], "")
    for command in advice.commands:
        # Lines that are to be copied are never broken.
        yield Text(f"     {command}", no_wrap=True, overflow="ignore", style="cyan")


def fields(data: Conclusion) -> dict[str, object]:
    """Give the members of its JSON object."""
    return {
        "answer": data.answer,
        "certain": data.certain,
        "cause": data.finding.cause.name.lower() if data.finding else None,
        "sentence": data.sentence,
        "finding": _finding(data.finding) if data.finding else None,
        "others": [_finding(finding) for finding in data.others],
        "warnings": data.warnings,
        "collect": [vars(advice) for advice in data.collect],
        "files": [{"file": name, "kind": kind} for name, kind in data.read],
        "lookups": data.lookups,
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "cause": finding.cause.name.lower(),
        "grade": finding.grade.name.lower(),
        "says": finding.says,
        "places": [vars(place) for place in finding.places],
        "against": finding.against,
        "queries": [
            {
                "dns_id": fated.question.dns_id,
                "qtype": fated.question.qtype,
                "name": fated.question.name,
                "fate": fated.fate,
                "took_s": fated.took_s,
            }
            for fated in finding.fated
        ],
    }
