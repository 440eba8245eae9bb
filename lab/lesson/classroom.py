"""What a lesson or a mystery says and asks, as data, and who says and asks it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from lab.language import Language
from lab.lesson.marks import MarkedLine
from lab.lesson.words import Words


@dataclass(frozen=True)
class Heading:
    """A step begins.

    Attributes:
        title: Its title.
        number: Its number, from 1; None for what is no step.
        of: How many there are.
    """

    title: str
    number: int | None = None
    of: int | None = None


@dataclass(frozen=True)
class Told:
    """A text to read.

    Attributes:
        text: Its paragraphs, with an empty line between; what is `in backquotes` is code.
        fallback: Whether it is in the other language, as it is not there in this one.
    """

    text: str
    fallback: bool = False


@dataclass(frozen=True)
class Typed:
    """A command that is run now, as a person would type it."""

    line: str


@dataclass(frozen=True)
class Output:
    """What a command printed."""

    lines: tuple[MarkedLine, ...]


@dataclass(frozen=True)
class Checked:
    """What a command must show, and whether it does."""

    says: str
    holds: bool


@dataclass(frozen=True)
class Again:
    """A trial says nothing of the kernel, for a reason, and is made once more."""

    reason: str


@dataclass(frozen=True)
class NotShown:
    """A step did not show what it should: nothing is built on that.

    Attributes:
        step: The number of the step to begin with when it is tried again.
    """

    step: int


class Menu(StrEnum):
    """What is asked in the lab's own words, each time the same."""

    INCIDENTS = "incidents"
    TOOLS = "tools"
    """Behind the options comes one more: to say where the packet is."""
    PLACES = "places"


@dataclass(frozen=True)
class Asked:
    """A question with answers to choose from.

    Attributes:
        asks: The question.
        options: The answers.
        right: The number of the right one, from 1; for a menu, of what is chosen where nobody can be asked.
    """

    asks: str | Menu
    options: tuple[str, ...]
    right: int


@dataclass(frozen=True)
class Answered:
    """What was answered.

    Attributes:
        chosen: The number of the answer that was chosen.
        right: That of the right one.
        because: Why the chosen one is right or wrong.
        rather: The right answer, and why it is right; None when that was chosen.
    """

    chosen: int
    right: int
    because: str
    rather: tuple[str, str] | None


@dataclass(frozen=True)
class Accused:
    """The right place was named; whether what was looked at proves it."""

    proven: bool


@dataclass(frozen=True)
class Known:
    """What is known so far of an incident, a sentence each."""

    facts: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """What follows is what the lab itself makes of the same evidence."""


Part = Heading | Told | Typed | Output | Checked | Again | NotShown | Answered | Accused | Known | Summary


class Classroom(Protocol):
    """Who talks with the learners."""

    language: Language
    """What they read."""

    def say(self, part: Part) -> None:
        """Say or show something."""

    def ask(self, question: Asked) -> int:
        """Give the number, from 1, of the answer that is chosen.

        Raises:
            BadInput: nobody is there to answer.
        """

    def pause(self) -> None:
        """Wait until the learners want to go on.

        Raises:
            BadInput: nobody is there to say so.
        """

    def working(self) -> AbstractContextManager[None]:
        """Show the work while inside."""

    def rendered(self, data: object, width: int | None = None) -> Sequence[str]:
        """Give a command's result as lines of text, at a width in columns, or at that of where they are shown."""


def told(words: Words, language: Language, text: str | None = None) -> Told:
    """Give words as a text to read; `text` is they with their fields filled in."""
    return Told(words.said(language) if text is None else text, fallback=not words.has(language))
