"""Formats the result of `lab diagnose` for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.commands.diagnose import SamplesWritten
from lab.diagnosis.advice import Advice, Site
from lab.diagnosis.causes import Finding
from lab.diagnosis.conclusion import Answer, Conclusion
from lab.diagnosis.material import Citation
from lab.diagnosis.remedies import Remedy
from lab.foundation.language import N_
from lab.present.text.spoken import line, spoken

_STYLES = {
    Answer.THIS_BUG: "bold yellow",
    Answer.ANOTHER_CAUSE: "bold green",
    Answer.CANNOT_TELL: "bold",
    Answer.NOT_HERE: "bold green",
}

_WHERE = {
    Site.HOST: N_("next, type this"),
    Site.POD: N_("next, type this on the node that the container runs on"),
    Site.NODE: N_("next, type this on the machine that forwards"),
}

PLACES_MAX = 12
"""Maximum number of lines shown of a finding."""

TEXT_MAX = 240
"""Maximum number of characters shown of a line; --json has more."""

READ_MAX = 20
"""Maximum number of files that are named."""


def conclusion(data: Conclusion) -> RenderableType:
    """Return the answer, the lines that show it, contradictions, the next command, and workarounds."""
    first, rest = data.sentence[:1], data.sentence[1:]
    parts: list[RenderableType] = [_text(first.upper() + rest, _STYLES[data.answer])]
    if data.finding is not None:
        parts += [_heading(N_("what says so")), _places(data.finding.places)]
        if data.finding.against:
            parts += [_heading(N_("what speaks against it")), *_sentences(data.finding.against, "")]
    if data.others:
        parts += [_heading(N_("found as well")), *(part for finding in data.others for part in _other(finding))]
    if data.warnings:
        parts += [_heading(N_("beware")), *_sentences(data.warnings, "yellow")]
    if data.next is not None:
        parts += [_heading(_WHERE[data.machine]), *_advice(data.next)]
    if data.remedies:
        sure = N_("what helps (with the scenario of this lab that shows it)")
        perhaps = N_("what helps, if it is this bug (with the scenario of this lab that shows it)")
        parts += [_heading(perhaps if data.answer is Answer.CANNOT_TELL else sure), *_remedies(data.remedies)]
    collect = [each for each in data.collect if each != data.next]
    if collect:
        parts += [_heading(N_("to be sure, collect")), *(part for each in collect for part in _advice(each))]
    return Group(*parts, "", _text(_read(data), "dim"))


def _text(words: str, style: str = "") -> Text:
    return Text(words, style=style)


def _heading(words: str) -> Text:
    return Text(f"\n{spoken(words)}:", style="bold")


def _places(places: Sequence[Citation]) -> RenderableType:
    parts: list[RenderableType] = []
    for place in places[:PLACES_MAX]:
        shown = Text(place.text[:TEXT_MAX], overflow="fold")
        parts += [_text(f"  {place}", "cyan"), Padding(shown, (0, 0, 0, 6))]
    if len(places) > PLACES_MAX:
        parts.append(line(f"  ... and {len(places) - PLACES_MAX} more: --json has all", "dim"))
    return Group(*parts)


def _sentences(sentences: Iterable[str], style: str) -> Iterable[RenderableType]:
    for sentence in sentences:
        table = Table.grid(padding=(0, 1))
        table.add_row(" -", _text(sentence, style))
        yield table


def _other(finding: Finding) -> Iterable[RenderableType]:
    yield from _sentences([f"{finding.cause}: {finding.says}"], "")
    yield Padding(_places(finding.places[:2]), (0, 0, 0, 3))


def _advice(advice: Advice) -> Iterable[RenderableType]:
    yield from _sentences([advice.what], "")
    yield from _commands(advice.commands)


def _remedies(remedies: Sequence[Remedy]) -> Iterable[RenderableType]:
    for remedy in remedies:
        scenario = f" [{remedy.scenario}]" if remedy.scenario else ""
        yield from _sentences([f"{remedy.what}{scenario}"], "")
        yield from _commands(remedy.commands)


def _commands(commands: Iterable[str]) -> Iterable[RenderableType]:
    for command in commands:
        # Commands are copied, so they are never broken.
        yield Text(f"     {command}", no_wrap=True, overflow="ignore", style="cyan")


def _read(data: Conclusion) -> str:
    files: dict[str, list[str]] = {}
    for name, kind in data.read:
        files.setdefault(name, []).append(kind)
    named = [f"{name} ({', '.join(dict.fromkeys(kinds))})" for name, kinds in files.items()]
    more = f", +{len(named) - READ_MAX}" if len(named) > READ_MAX else ""
    lookups = spoken("one lookup" if data.lookups == 1 else f"{data.lookups} lookups")
    return f"{spoken('read')}: {', '.join(named[:READ_MAX])}{more}; {lookups}"


def samples(data: SamplesWritten) -> RenderableType:
    """Return the directory of the samples, and the next command."""
    lines = [line(f"{len(data.files)} files in {data.directory}; try:")]
    return Group(*lines, *_commands(data.commands))
