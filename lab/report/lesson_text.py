"""What a lesson and a mystery say, for a terminal of any width, in either language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import singledispatch

from rich.console import Group, RenderableType
from rich.text import Text

from lab.commands.lesson import LessonHeld
from lab.commands.mystery import Solved
from lab.commands.walk import Score
from lab.language import Language, translations
from lab.lesson.classroom import (
    Accused,
    Again,
    Answered,
    Asked,
    Checked,
    Heading,
    Known,
    Menu,
    NotShown,
    Output,
    Part,
    Summary,
    Told,
    Typed,
)
from lab.lesson.marks import MarkedLine, shortened
from lab.lesson.words import paragraphs
from lab.report.wrapping import breaks, columns

DOMAIN = "lesson"

WIDEST = 100
"""Columns: longer lines are hard to read."""

HEAD = 44
"""Characters at the beginning of a line that are never left out: who did what, and when."""

TELLING = "bold underline yellow"
CODE = "bold cyan"

_CODE = re.compile(r"`([^`]+)`")


class Page:
    """What is said is laid out on this.

    Args:
        language: What it is said in.
        width: In columns.
        marks_in_text: Telling parts are marked by characters below them: where there are no styles.
    """

    def __init__(self, language: Language, width: int, *, marks_in_text: bool) -> None:
        self.width = min(width, WIDEST)
        self.marks_in_text = marks_in_text
        self.gettext = translations(language, DOMAIN).gettext

    def paragraph(self, text: str, *, lead: str = "", style: str = "", lead_style: str = "") -> Text:
        """Lay a paragraph out, its lines below each other behind what leads it in."""
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
def part(said: Part, page: Page) -> RenderableType:  # noqa: ARG001  its members need it
    """Give something that is said, laid out."""
    raise TypeError(f"nothing says how {type(said).__name__} is said")


@part.register
def _(said: Heading, page: Page) -> RenderableType:
    _ = page.gettext
    number = _("Step %(number)d of %(of)d: ") % {"number": said.number, "of": said.of} if said.number else ""
    title = page.paragraph(f"{number}{said.title}", style="bold")
    return Group("", Text("─" * page.width, "dim"), title)


@part.register
def _(said: Told, page: Page) -> RenderableType:
    _ = page.gettext
    note = [page.paragraph(_("(not translated)"), style="dim")] if said.fallback else []
    laid_out: list[RenderableType] = []
    for text in paragraphs(said.text):
        is_item = text.startswith("- ")
        lead = "• " if is_item else " " * (len(text) - len(text.lstrip()))
        laid_out += [] if is_item else [""]
        laid_out += [page.paragraph(text[2:] if is_item else text.strip(), lead=lead)]
    return Group(*note, *laid_out)


@part.register
def _(said: Typed, page: Page) -> RenderableType:
    line = Text(said.line, CODE)
    return Group("", _laid_out(line, page.width, Text("$ ", "dim"), Text("    ")))


@part.register
def _(said: Output, page: Page) -> RenderableType:
    _ = page.gettext
    if not said.lines:
        return Group(page.paragraph(_("(no line)"), lead="│ ", style="dim"))
    return Group(*(_line(line, page) for line in said.lines))


def _line(line: MarkedLine, page: Page) -> Text:
    short = shortened(line, longest=page.width * 3, around=page.width // 3, head=HEAD)
    text = Text()
    for piece, telling in short.parts:
        text.append(piece, TELLING if telling else "")
    lead = Text("▶ ", "bold yellow") if line.spans else Text("│ ", "dim")
    laid_out = _laid_out(text, page.width, lead, Text("│   ", "dim"))
    return _underlined(laid_out) if page.marks_in_text and line.spans else laid_out


def _underlined(laid_out: Text) -> Text:
    """Put a line of marks below each line that has a telling part."""
    whole = Text(no_wrap=True, overflow="ignore", end="")
    for line in laid_out.split("\n"):
        whole.append_text(line).append("\n")
        marked = [False] * len(line.plain)
        for span in line.spans:
            if span.style == TELLING:
                marked[span.start : span.end] = [True] * (span.end - span.start)
        under = "".join(
            ("^" if is_marked else " ") * columns(character)
            for character, is_marked in zip(line.plain, marked, strict=True)
        )
        if under.strip():
            whole.append(f"│{under.rstrip()[1:]}\n")
    return whole


@part.register
def _(said: Checked, page: Page) -> RenderableType:
    _ = page.gettext
    if said.holds:
        return Group(page.paragraph(said.says, lead="✓ ", lead_style="bold green"))
    told = _("This should be seen here, and is not: %(what)s") % {"what": said.says}
    return Group(page.paragraph(told, lead="✗ ", style="bold red"))


@part.register
def _(said: Again, page: Page) -> RenderableType:
    _ = page.gettext
    told = _("One of these trials says nothing of the kernel (%(why)s). It is made once more.")
    return Group("", page.paragraph(told % {"why": said.reason}, style="yellow"))


@part.register
def _(said: NotShown, page: Page) -> RenderableType:
    _ = page.gettext
    told = _(
        "This step did not show what it should, so what would be said about it is left out. It can be tried again: "
        "`lab lesson --from %(step)d`"
    )
    return Group("", page.paragraph(told % {"step": said.step}, style="yellow"))


@part.register
def _(said: Answered, page: Page) -> RenderableType:
    _ = page.gettext
    if said.chosen == said.right:
        told = _("Right. %(because)s") % {"because": said.because}
        return Group("", page.paragraph(told, lead="✓ ", lead_style="bold green"))
    told = _("No. %(because)s") % {"because": said.because}
    parts = [page.paragraph(told, lead="✗ ", lead_style="bold red")]
    if said.rather:
        answer, because = said.rather
        told = _("Right is %(number)d, “%(answer)s”: %(because)s")
        parts.append(page.paragraph(told % {"number": said.right, "answer": answer, "because": because}, lead="  "))
    return Group("", *parts)


@part.register
def _(said: Accused, page: Page) -> RenderableType:  # noqa: ARG001  likewise
    _ = page.gettext
    told = _("That may be so. But nothing that you have looked at so far proves it: keep looking.")
    return Group("", page.paragraph(told, style="yellow"))


@part.register
def _(said: Known, page: Page) -> RenderableType:
    _ = page.gettext
    facts = [page.paragraph(fact, lead="• ") for fact in said.facts]
    return Group("", page.paragraph(_("What you know so far"), style="bold"), *facts)


@part.register
def _(said: Summary, page: Page) -> RenderableType:  # noqa: ARG001  it says the same each time
    _ = page.gettext
    return Group("", page.paragraph(_("The same evidence, put on one clock"), style="bold"))


def question(asked: Asked, page: Page) -> RenderableType:
    """Give a question with its options, laid out."""
    _ = page.gettext
    menus = {
        Menu.INCIDENTS: _("Which incident?"),
        Menu.TOOLS: _("What do you reach for?"),
        Menu.PLACES: _("Where is the packet?"),
    }
    asks = menus[asked.asks] if isinstance(asked.asks, Menu) else asked.asks
    numbered = enumerate(options(asked, page), start=1)
    listed = [page.paragraph(text, lead=f"  {number}  ", lead_style="bold") for number, text in numbered]
    return Group("", page.paragraph(asks, style="bold"), *listed)


def options(asked: Asked, page: Page) -> Sequence[str]:
    """Give all there is to choose from."""
    _ = page.gettext
    more = (_("I know where the packet is"),) if asked.asks is Menu.TOOLS else ()
    return (*asked.options, *more)


def ended(held: LessonHeld, page: Page) -> RenderableType:
    """Give a lesson's end: the score, and where things are."""
    _ = page.gettext
    parts: list[RenderableType] = ["", Text("─" * page.width, "dim")]
    parts += [page.paragraph(text, style="bold") for text in _scores(held, page)]
    if held.not_shown:
        names = ", ".join(held.not_shown)
        parts.append(page.paragraph(_("These steps did not show what they should: %(names)s") % {"names": names}))
    if held.run and held.path:
        told = _("Everything shown is of run %(run)s; its raw files are in %(path)s")
        parts.append(page.paragraph(told % {"run": held.run, "path": held.path}))
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
        yield _("Nobody was asked: all %(asked)d questions were answered by the lesson itself.") % vars(held.score)
        return
    if held.quiz != held.score and held.quiz != Score():
        yield _("Quiz: %(right)d of %(asked)d right") % vars(held.quiz)
    yield _("The whole lesson: %(right)d of %(asked)d right") % vars(held.score)


def solved(done: Solved, page: Page) -> RenderableType:
    """Give a mystery's end."""
    _ = page.gettext
    told = _("Solved with %(used)d of %(of)d tools; wrong guesses: %(wrong)d.")
    return Group("", page.paragraph(told % {"used": done.used, "of": done.of, "wrong": done.wrong}, style="bold"))
