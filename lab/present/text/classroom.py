"""Lays out lessons and mysteries for a terminal of any width, in either language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import singledispatch

from rich.console import Group, RenderableType
from rich.text import Text

from lab.commands.lesson import LessonHeld
from lab.commands.mystery import Solved
from lab.commands.walk import Score
from lab.foundation.language import Language, translations
from lab.lesson.classroom import (
    Accused,
    Again,
    Answered,
    Asked,
    Expectation,
    Heading,
    KnownFacts,
    Menu,
    NotShown,
    Part,
    Prose,
    ShownOutput,
    Summary,
    Typed,
)
from lab.lesson.marks import MarkedLine, shortened
from lab.lesson.words import paragraphs
from lab.present.text.wrapping import breaks, columns

DOMAIN = "lesson"

WIDEST = 100
"""Maximum columns of a line; longer lines are hard to read."""

HEAD = 44
"""Columns at the beginning of a line that are always shown: process and timestamp."""

DECISIVE = "bold underline yellow"
CODE = "bold cyan"

_CODE = re.compile(r"`([^`]+)`")


class Page:
    """The language and width that everything is laid out in.

    Args:
        language: The language of the lesson.
        width: Width in columns.
        marks_in_text: Mark the decisive parts with characters below them, for terminals without styles.
    """

    def __init__(self, language: Language, width: int, *, marks_in_text: bool) -> None:
        self.width = min(width, WIDEST)
        self.marks_in_text = marks_in_text
        self.gettext = translations(language, DOMAIN).gettext

    def paragraph(self, text: str, *, lead: str = "", style: str = "", lead_style: str = "") -> Text:
        """Lay out a paragraph; its lines are indented by the width of the lead."""
        return _laid_out(_coded(text, style), self.width, Text(lead, lead_style), Text(" " * columns(lead)))


def _coded(text: str, style: str) -> Text:
    coded = Text(style=style)
    for number, piece in enumerate(_CODE.split(text)):
        coded.append(piece, CODE if number % 2 else "")
    return coded


def _laid_out(text: Text, width: int, lead: Text, others: Text) -> Text:
    room = max(width - lead.cell_len, 8), max(width - others.cell_len, 8)
    lines = [part.copy() for part in text.divide(breaks(text.plain, *room))]
    for line in lines:
        line.rstrip()
    laid_out = Text(no_wrap=True, overflow="ignore", end="")
    for number, line in enumerate(lines):
        laid_out.append_text(others if number else lead).append_text(line).append("\n")
    return laid_out


@singledispatch
def part(shown: Part, page: Page) -> RenderableType:  # noqa: ARG001  the registered functions need it
    """Return a part of a lesson, laid out."""
    raise TypeError(f"there is no layout for {type(shown).__name__}")


@part.register
def _(shown: Heading, page: Page) -> RenderableType:
    _ = page.gettext
    number = _("Step %(number)d of %(of)d: ") % {"number": shown.number, "of": shown.of} if shown.number else ""
    title = page.paragraph(f"{number}{shown.title}", style="bold")
    return Group("", Text("─" * page.width, "dim"), title)


@part.register
def _(shown: Prose, page: Page) -> RenderableType:
    _ = page.gettext
    note = [page.paragraph(_("(not translated)"), style="dim")] if shown.fallback else []
    laid_out: list[RenderableType] = []
    for text in paragraphs(shown.text):
        is_item = text.startswith("- ")
        lead = "• " if is_item else " " * (len(text) - len(text.lstrip()))
        laid_out += [] if is_item else [""]
        laid_out += [page.paragraph(text[2:] if is_item else text.strip(), lead=lead)]
    return Group(*note, *laid_out)


@part.register
def _(shown: Typed, page: Page) -> RenderableType:
    line = Text(shown.line, CODE)
    return Group("", _laid_out(line, page.width, Text("$ ", "dim"), Text("    ")))


@part.register
def _(shown: ShownOutput, page: Page) -> RenderableType:
    _ = page.gettext
    if not shown.lines:
        return Group(page.paragraph(_("(no lines)"), lead="│ ", style="dim"))
    return Group(*(_line(line, page) for line in shown.lines))


def _line(line: MarkedLine, page: Page) -> Text:
    short = shortened(line, longest=page.width * 3, around=page.width // 3, head=HEAD)
    text = Text()
    for piece, decisive in short.parts:
        text.append(piece, DECISIVE if decisive else "")
    lead = Text("▶ ", "bold yellow") if line.spans else Text("│ ", "dim")
    laid_out = _laid_out(text, page.width, lead, Text("│   ", "dim"))
    return _underlined(laid_out) if page.marks_in_text and line.spans else laid_out


def _underlined(laid_out: Text) -> Text:
    """Add a line of marks below each line that has a decisive part."""
    whole = Text(no_wrap=True, overflow="ignore", end="")
    for line in laid_out.split("\n"):
        whole.append_text(line).append("\n")
        marked = [False] * len(line.plain)
        for span in line.spans:
            if span.style == DECISIVE:
                marked[span.start : span.end] = [True] * (span.end - span.start)
        under = "".join(
            ("^" if is_marked else " ") * columns(character)
            for character, is_marked in zip(line.plain, marked, strict=True)
        )
        if under.strip():
            whole.append(f"│{under.rstrip()[1:]}\n")
    return whole


@part.register
def _(shown: Expectation, page: Page) -> RenderableType:
    _ = page.gettext
    if shown.holds:
        return Group(page.paragraph(shown.says, lead="✓ ", lead_style="bold green"))
    message = _("This should appear here but does not: %(what)s") % {"what": shown.says}
    return Group(page.paragraph(message, lead="✗ ", style="bold red"))


@part.register
def _(shown: Again, page: Page) -> RenderableType:
    _ = page.gettext
    message = _("One of these trials says nothing about the kernel (%(why)s). It is run once more.")
    return Group("", page.paragraph(message % {"why": shown.reason}, style="yellow"))


@part.register
def _(shown: NotShown, page: Page) -> RenderableType:
    _ = page.gettext
    message = _(
        "This step did not show what it should, so its explanation is left out. To try it again: "
        "`lab lesson --from %(step)d`"
    )
    return Group("", page.paragraph(message % {"step": shown.step}, style="yellow"))


@part.register
def _(shown: Answered, page: Page) -> RenderableType:
    _ = page.gettext
    if shown.chosen == shown.right:
        message = _("Right. %(because)s") % {"because": shown.because}
        return Group("", page.paragraph(message, lead="✓ ", lead_style="bold green"))
    message = _("No. %(because)s") % {"because": shown.because}
    parts = [page.paragraph(message, lead="✗ ", lead_style="bold red")]
    if shown.rather:
        answer, because = shown.rather
        message = _("The right answer is %(number)d, “%(answer)s”: %(because)s")
        parts.append(page.paragraph(message % {"number": shown.right, "answer": answer, "because": because}, lead="  "))
    return Group("", *parts)


@part.register
def _(shown: Accused, page: Page) -> RenderableType:  # noqa: ARG001  dispatched by its type
    _ = page.gettext
    message = _("That may be right, but nothing you have looked at so far proves it: keep looking.")
    return Group("", page.paragraph(message, style="yellow"))


@part.register
def _(shown: KnownFacts, page: Page) -> RenderableType:
    _ = page.gettext
    facts = [page.paragraph(fact, lead="• ") for fact in shown.facts]
    return Group("", page.paragraph(_("What you know so far"), style="bold"), *facts)


@part.register
def _(shown: Summary, page: Page) -> RenderableType:  # noqa: ARG001  dispatched by its type
    _ = page.gettext
    return Group("", page.paragraph(_("The same evidence, put on one clock"), style="bold"))


def question(asked: Asked, page: Page) -> RenderableType:
    """Return a question with its options."""
    _ = page.gettext
    menus = {
        Menu.INCIDENTS: _("Which incident?"),
        Menu.TOOLS: _("Which tool do you use?"),
        Menu.PLACES: _("Where is the packet?"),
    }
    asks = menus[asked.asks] if isinstance(asked.asks, Menu) else asked.asks
    numbered = enumerate(options(asked, page), start=1)
    listed = [page.paragraph(text, lead=f"  {number}  ", lead_style="bold") for number, text in numbered]
    return Group("", page.paragraph(asks, style="bold"), *listed)


def options(asked: Asked, page: Page) -> Sequence[str]:
    """Return all options of a question."""
    _ = page.gettext
    more = (_("I know where the packet is"),) if asked.asks is Menu.TOOLS else ()
    return (*asked.options, *more)


def ended(held: LessonHeld, page: Page) -> RenderableType:
    """Return the end of a lesson: the score, the run and its files."""
    _ = page.gettext
    parts: list[RenderableType] = ["", Text("─" * page.width, "dim")]
    parts += [page.paragraph(text, style="bold") for text in _scores(held, page)]
    if held.not_shown:
        names = ", ".join(held.not_shown)
        parts.append(page.paragraph(_("These steps did not show what they should: %(names)s") % {"names": names}))
    if held.run and held.path:
        message = _("Everything shown is from run %(run)s; its raw files are in %(path)s")
        parts.append(page.paragraph(message % {"run": held.run, "path": held.path}))
        for text in (
            _("each trial, packet by packet: `lab show %(run)s`"),
            _("a handout of this lesson: `lab lesson --handout lesson.html`"),
            _("an incident to solve, without any machine: `lab mystery`"),
        ):
            parts.append(page.paragraph(text.replace("%(run)s", held.run), lead="• "))
    return Group(*parts)


def _scores(held: LessonHeld, page: Page) -> Iterable[str]:
    _ = page.gettext
    if not held.score.asked:
        return
    if held.unattended:
        yield _("The lesson answered all %(asked)d questions itself.") % vars(held.score)
        return
    if held.quiz != held.score and held.quiz != Score():
        yield _("Quiz: %(right)d of %(asked)d right") % vars(held.quiz)
    yield _("The whole lesson: %(right)d of %(asked)d right") % vars(held.score)


def solved(done: Solved, page: Page) -> RenderableType:
    """Return the end of a mystery."""
    _ = page.gettext
    message = _("Solved with %(used)d of %(of)d tools; wrong guesses: %(wrong)d.")
    return Group("", page.paragraph(message % {"used": done.used, "of": done.of, "wrong": done.wrong}, style="bold"))
