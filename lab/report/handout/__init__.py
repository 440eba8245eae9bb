"""A lesson as one HTML page that prints on A4: learner's edition with room for notes, trainer's with answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from lab.commands.handout import Handout
from lab.language import translations
from lab.lesson import fields
from lab.lesson.marks import MarkedLine, shortened
from lab.lesson.record import Walked
from lab.lesson.step import Step
from lab.lesson.words import Words, paragraphs

DOMAIN = "lesson"

LONGEST, AROUND, HEAD = 300, 36, 44
"""Characters of a line of output: how many it may have, and what is kept of one that has more."""

NOTE_LINES = 6

LETTERS = "ABCDEFGHI"

_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class _Part:
    """A step as the template takes it."""

    number: int
    step: Step
    walked: Walked | None
    said: Callable[[Words], str]


def html(handout: Handout) -> str:
    """Give the page; it loads nothing, and has no script."""
    catalogue = translations(handout.language, DOMAIN)
    # What a step says may hold anything; it is escaped, as all that is put into the page.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        catalogue.gettext, catalogue.ngettext, newstyle=True
    )
    environment.filters |= {"blocks": _blocks, "inline": _inline, "marked": _marked}
    parts = [_part(handout, number, step) for number, step in enumerate(handout.steps, start=1)]
    return environment.get_template("handout.html.j2").render(
        handout=handout, parts=parts, letters=LETTERS, note_lines=range(NOTE_LINES)
    )


def _part(handout: Handout, number: int, step: Step) -> _Part:
    walked = handout.record.walked.get(step.name)
    values = walked.values if walked else {}

    def said(words: Words) -> str:
        return fields.filled(words.said(handout.language), values)

    return _Part(number, step, walked, said)


def _inline(text: str) -> Markup:
    """Give a text with what is in backquotes as code."""
    pieces = _CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if number % 2 else escape(piece) for number, piece in enumerate(pieces)
    )


def _blocks(text: str) -> Markup:
    """Give a text's paragraphs, and its items as lists."""
    written = Markup("")
    for paragraph in paragraphs(text):
        is_item = paragraph.startswith("- ")
        tag = Markup('<p class="item">• {}</p>') if is_item else Markup("<p>{}</p>")
        written += tag.format(_inline(paragraph.removeprefix("- ")))
    return written


def _marked(line: MarkedLine) -> Markup:
    """Give a line of output with its telling parts marked."""
    short = shortened(line, longest=LONGEST, around=AROUND, head=HEAD)
    return Markup("").join(
        Markup("<mark>{}</mark>").format(piece) if telling else escape(piece) for piece, telling in short.parts
    )
