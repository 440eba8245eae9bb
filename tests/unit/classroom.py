"""A classroom without a terminal: it remembers what was said, and answers as it was told to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from lab.language import Language
from lab.lesson.classroom import Asked, Part
from lab.terminal import Terminal

P = TypeVar("P")


class Remembering:
    """A classroom: questions are answered right, or by the numbers given."""

    def __init__(self, language: Language = Language.ENGLISH, answers: Sequence[int] = ()) -> None:
        self.language = language
        self.parts: list[Part] = []
        self.asked: list[Asked] = []
        self._answers = iter(answers)
        self._terminal = Terminal(as_json_document=False, quiet=True)

    def say(self, part: Part) -> None:
        """Remember it."""
        self.parts.append(part)

    def ask(self, question: Asked) -> int:
        """Give the next answer."""
        self.asked.append(question)
        return next(self._answers, question.right)

    def pause(self) -> None:
        """Go on."""

    def working(self) -> AbstractContextManager[None]:
        """Show nothing."""
        return nullcontext()

    def rendered(self, data: object, width: int | None = None) -> Sequence[str]:
        """Give a result as text."""
        return self._terminal.rendered(data, width or 78)

    def said(self, kind: type[P]) -> Iterator[P]:
        """Give what was said of a kind."""
        return (part for part in self.parts if isinstance(part, kind))
