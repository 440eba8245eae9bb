"""The texts, outputs and questions of a lesson or a mystery, as data, and the protocol that presents them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from lab.foundation.language import Language
from lab.lesson.marks import MarkedLine
from lab.lesson.words import Words


@dataclass(frozen=True)
class Heading:
    """The heading of a step.

    Attributes:
        title: Its title.
        number: Its number, from 1; None for a heading that is no step's.
        of: How many there are.
    """

    title: str
    number: int | None = None
    of: int | None = None


@dataclass(frozen=True)
class Prose:
    """A text to read.

    Attributes:
        text: Its paragraphs, with an empty line between; what is `in backquotes` is code.
        fallback: Whether it is in the other language, since it is missing in this one.
    """

    text: str
    fallback: bool = False


@dataclass(frozen=True)
class Typed:
    """A command that is run now, as typed."""

    line: str


@dataclass(frozen=True)
class ShownOutput:
    """What a command printed."""

    lines: tuple[MarkedLine, ...]


@dataclass(frozen=True)
class Expectation:
    """What a command must show, and whether it does."""

    says: str
    holds: bool


@dataclass(frozen=True)
class Again:
    """A trial shows nothing about the kernel, for a reason, and is made once more."""

    reason: str


@dataclass(frozen=True)
class NotShown:
    """A step did not show what it should: its explanation and questions are left out.

    Attributes:
        step: The number of the step from which to try again.
    """

    step: int


class Menu(StrEnum):
    """The questions in the lab's own words, the same each time."""

    INCIDENTS = "incidents"
    TOOLS = "tools"
    """After the options comes one more: to name the place of the packet."""
    PLACES = "places"


@dataclass(frozen=True)
class Asked:
    """A question with answers to choose from.

    Attributes:
        asks: The question.
        options: The answers.
        right: The number of the right one, from 1; for a menu, of the one that is chosen unattended.
    """

    asks: str | Menu
    options: tuple[str, ...]
    right: int


@dataclass(frozen=True)
class Answered:
    """An answer, with the correction.

    Attributes:
        chosen: The number of the answer that was chosen.
        right: The number of the right one.
        because: Why the chosen one is right or wrong.
        rather: The right answer, and why it is right; None when that was chosen.
    """

    chosen: int
    right: int
    because: str
    rather: tuple[str, str] | None


@dataclass(frozen=True)
class Accused:
    """The right place was named; whether the clues so far prove it."""

    proven: bool


@dataclass(frozen=True)
class KnownFacts:
    """The known facts of an incident, a sentence each."""

    facts: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """The heading of the lab's own verdict on the same evidence."""


Part = (
    Heading | Prose | Typed | ShownOutput | Expectation | Again | NotShown | Answered | Accused | KnownFacts | Summary
)


class Classroom(Protocol):
    """Presents a lesson to the learners."""

    language: Language
    """The learners' language."""

    def say(self, part: Part) -> None:
        """Present one part."""

    def ask(self, question: Asked) -> int:
        """Return the number, from 1, of the answer that is chosen.

        Raises:
            BadInput: the input has ended.
        """

    def pause(self) -> None:
        """Wait until the learners continue.

        Raises:
            BadInput: the input has ended.
        """

    def working(self) -> AbstractContextManager[None]:
        """Show progress inside the block."""

    def rendered(self, data: object, width: int | None = None) -> Sequence[str]:
        """Return a command's result as lines of text, at a width in columns; None for the width of the screen."""


def prose(words: Words, language: Language, text: str | None = None) -> Prose:
    """Return words as a text to read; `text` is the same with its fields filled in."""
    return Prose(words.text(language) if text is None else text, fallback=not words.has(language))
