"""The classroom on a terminal; unattended, it answers its questions itself."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from lab.cli.terminal import Terminal
from lab.foundation.errors import BadInput
from lab.foundation.language import Language
from lab.lesson.classroom import Asked, Part
from lab.present.text import classroom
from lab.present.text.classroom import Page


class OnTerminal:
    """A classroom.

    Args:
        terminal: The terminal.
        language: The learners' language.
        unattended: Whether each question is answered right automatically, without pauses.
        silent: Whether to print nothing, since standard output is for one JSON document.
    """

    def __init__(self, terminal: Terminal, language: Language, *, unattended: bool, silent: bool = False) -> None:
        self.language = language
        self._terminal = terminal
        self._unattended = unattended
        self._silent = silent

    @property
    def page(self) -> Page:
        """The page that parts are laid out on: as wide as the terminal is now."""
        return Page(self.language, self._terminal.width, marks_in_text=not self._terminal.has_styles)

    def say(self, part: Part) -> None:
        """Present one part."""
        if not self._silent:
            self._terminal.show(classroom.part(part, self.page))

    def ask(self, question: Asked) -> int:
        """Return the number of the chosen answer; unattended, of the right one."""
        page = self.page
        _ = page.gettext
        if not self._silent:
            self._terminal.show(classroom.question(question, page))
        if self._unattended:
            self._print(_("(answered automatically: %(number)d)") % {"number": question.right})
            return question.right
        of = len(classroom.options(question, page))
        while True:
            answer = self._answer(_("Your choice, 1 to %(of)d: ") % {"of": of})
            if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= of:
                return int(answer)

    def pause(self) -> None:
        """Wait for Enter; unattended, return at once."""
        _ = self.page.gettext
        if not self._unattended:
            self._answer(_("Enter continues, Ctrl-C ends: "))

    def working(self) -> AbstractContextManager[None]:
        """Show progress inside the block."""
        return self._terminal.progress.shown()

    def rendered(self, data: object, width: int | None = None) -> Sequence[str]:
        """Return a command's result as lines of text."""
        # The lead of each line takes two columns.
        return self._terminal.rendered(data, width or self.page.width - 2)

    def _print(self, text: str) -> None:
        if not self._silent:
            self._terminal.show(text)

    def _answer(self, prompt: str) -> str:
        answer = self._terminal.read(prompt)
        if answer is None:
            raise BadInput("the input ended before the lesson did", hint="to run it without input: --unattended")
        return answer.strip()
