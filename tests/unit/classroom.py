"""A classroom without a terminal: it records what is shown and answers as configured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from lab.cli.detail import Detail
from lab.cli.terminal import Terminal
from lab.foundation.language import Language
from lab.lesson.classroom import Asked, Part

P = TypeVar("P")


class Remembering:
    """A classroom whose questions are answered right, or by the given numbers."""

    def __init__(self, language: Language = Language.ENGLISH, answers: Sequence[int] = ()) -> None:
        self.language = language
        self.parts: list[Part] = []
        self.asked: list[Asked] = []
        self._answers = iter(answers)
        self._terminal = Terminal(as_json_document=False, detail=Detail.QUIET)

    def say(self, part: Part) -> None:
        """Record a part."""
        self.parts.append(part)

    def ask(self, question: Asked) -> int:
        """Return the next answer."""
        self.asked.append(question)
        return next(self._answers, question.right)

    def pause(self) -> None:
        """Continue."""

    def working(self) -> AbstractContextManager[None]:
        """Show nothing."""
        return nullcontext()

    def rendered(self, data: object, width: int | None = None) -> Sequence[str]:
        """Return a result as text."""
        return self._terminal.rendered(data, width or 78)

    def parts_of(self, kind: type[P]) -> Iterator[P]:
        """Return the recorded parts of a type."""
        return (part for part in self.parts if isinstance(part, kind))
