"""A lesson as one HTML page for A4: the learner's edition has room for notes, the trainer's has the answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup, escape

from lab.commands.handout import Handout
from lab.foundation.printable import printable_lines
from lab.lesson import fields
from lab.lesson.marks import MarkedLine, shortened
from lab.lesson.record import Walked
from lab.lesson.step import Step
from lab.lesson.words import Words, paragraphs
from lab.present import templates

DOMAIN = "lesson"

LONGEST, AROUND, HEAD = 300, 36, 44
"""Characters of a line of output: the most that are shown, and how many are kept around a mark and at the beginning."""

NOTE_LINES = 6

LETTERS = "ABCDEFGHI"

_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class _StepView:
    """A step, as the template needs it."""

    number: int
    step: Step
    walked: Walked | None
    text: Callable[[Words], str]


def html(handout: Handout) -> str:
    """Return the page; it loads nothing and has no script."""
    # A step's text may contain anything; like everything on the page it is escaped.
    environment = templates.environment(__name__, handout.language, DOMAIN)
    environment.filters |= {"blocks": as_blocks, "inline": as_inline, "marked": as_marked}
    parts = [_part(handout, number, step) for number, step in enumerate(handout.steps, start=1)]
    page = environment.get_template("handout.html.j2").render(
        handout=handout, parts=parts, letters=LETTERS, note_lines=range(NOTE_LINES)
    )
    return printable_lines(page)


def _part(handout: Handout, number: int, step: Step) -> _StepView:
    walked = handout.record.walked.get(step.name)
    values = walked.values if walked else {}

    def text(words: Words) -> str:
        return fields.filled(words.text(handout.language), values)

    return _StepView(number, step, walked, text)


def as_inline(text: str) -> Markup:
    """Return a text with its parts in backquotes as code."""
    pieces = _CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if number % 2 else escape(piece) for number, piece in enumerate(pieces)
    )


def as_blocks(text: str) -> Markup:
    """Return a text's paragraphs and list items."""
    written = Markup("")
    for paragraph in paragraphs(text):
        is_item = paragraph.startswith("- ")
        tag = Markup('<p class="item">• {}</p>') if is_item else Markup("<p>{}</p>")
        written += tag.format(as_inline(paragraph.removeprefix("- ")))
    return written


def as_marked(line: MarkedLine) -> Markup:
    """Return a line of output with the decisive parts marked."""
    short = shortened(line, longest=LONGEST, around=AROUND, head=HEAD)
    return Markup("").join(
        Markup("<mark>{}</mark>").format(piece) if telling else escape(piece) for piece, telling in short.parts
    )
