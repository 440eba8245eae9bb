"""The classroom on a terminal: says, shows, asks and waits; or goes on by itself where nobody is there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from lab.errors import BadInput
from lab.language import Language
from lab.lesson.classroom import Asked, Part
from lab.report import lesson_text
from lab.report.lesson_text import Page
from lab.terminal import Terminal


class OnTerminal:
    """A classroom.

    Args:
        terminal: Where it is said and asked.
        language: In which language.
        unattended: Nobody is there: each question is answered right, and no pause is made.
        silent: Nothing is said, where standard output is for one JSON document.
    """

    def __init__(self, terminal: Terminal, language: Language, *, unattended: bool, silent: bool = False) -> None:
        self.language = language
        self._terminal = terminal
        self._unattended = unattended
        self._silent = silent

    @property
    def page(self) -> Page:
        """What is said is laid out on this: as wide as the terminal is now."""
        return Page(self.language, self._terminal.width, marks_in_text=not self._terminal.has_styles)

    def say(self, part: Part) -> None:
        """Say or show something."""
        if not self._silent:
            self._terminal.show(lesson_text.part(part, self.page))

    def ask(self, question: Asked) -> int:
        """Give the number of the answer that is chosen; the right one where nobody is there."""
        page = self.page
        _ = page.gettext
        if not self._silent:
            self._terminal.show(lesson_text.question(question, page))
        if self._unattended:
            self._say_line(_("(nobody is asked: %(number)d)") % {"number": question.right})
            return question.right
        of = len(lesson_text.options(question, page))
        while True:
            answer = self._answer(_("Your choice, 1 to %(of)d: ") % {"of": of})
            if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= of:
                return int(answer)

    def pause(self) -> None:
        """Wait for Enter; not where nobody is there."""
        _ = self.page.gettext
        if not self._unattended:
            self._answer(_("Enter goes on, Ctrl-C ends: "))

    def working(self) -> AbstractContextManager[None]:
        """Show the work while inside."""
        return self._terminal.progress.shown()

    def rendered(self, data: object, width: int | None = None) -> Sequence[str]:
        """Give a command's result as lines of text."""
        # What leads lines in takes two columns.
        return self._terminal.rendered(data, width or self.page.width - 2)

    def _say_line(self, text: str) -> None:
        if not self._silent:
            self._terminal.show(text)

    def _answer(self, prompt: str) -> str:
        answer = self._terminal.read(prompt)
        if answer is None:
            raise BadInput("the input ended before the lesson did", hint="to let it go on by itself: --unattended")
        return answer.strip()
