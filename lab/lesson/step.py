"""The steps of a lesson, as their TOML files give them."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise, takewhile
from pathlib import PurePath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from lab.catalogue.document import Model
from lab.judgement.outcome import Outcome
from lab.judgement.sightings import Stage
from lab.lesson import fields
from lab.lesson.words import Words

VERBS = ("run", "show", "compare", "ssh", "status")
"""The verbs that a step can show."""

CELL = r"^[a-z][a-z0-9-]{0,30}/[a-z][a-z0-9-]{0,60}$"
"""MACHINE/SCENARIO."""


def _pattern(text: str) -> str:
    try:
        re.compile(fields.without(text))
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return _known(text)


def _known(text: str) -> str:
    unknown = fields.unknown(text)
    if unknown:
        raise ValueError(f"there is no field {{{unknown[0]}}}; there are: {', '.join(fields.NAMES)}")
    return text


def _line(text: str) -> str:
    # A long command may continue on the next line of the file.
    text = " ".join(part.strip() for part in text.strip().splitlines())
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"no command line: {error}") from error
    if words[:1] != ["lab"] or words[1:2] == [] or words[1] not in VERBS:
        raise ValueError(f"a step shows commands of the lab: 'lab VERB ...', VERB one of {', '.join(VERBS)}")
    return _known(text)


def _wording(words: Words) -> Words:
    for text in (words.en, words.zh):
        _known(text or "")
    return words


Pattern = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]
Line = Annotated[str, AfterValidator(_line)]
Wording = Annotated[Words, AfterValidator(_wording)]


class Must(Model):
    """Something that a command must show; each is checked on the real output, and a step that lacks one reports it.

    Attributes:
        says: What it must show, in words.
        matches: A regular expression that is found in one of the lines, at least ...
        times: ... so many times, or exactly so many when `exactly`.
        exactly: Whether `times` is the exact number.
        ends_well: Whether the command's exit status is 0: for `lab run`, whether each cell went as its scenario
            expects.
        outcome: How each of the step's trials went; of a command that makes some, each of those.
        lost_at: Where the one lost query of the step's newest traced trial was lost.
        none_lost: Whether no query of that trial was lost.
        armed: Whether the race was armed in that trial.
        rose: By how much counters of conntrack rose in that trial.
    """

    says: Wording
    matches: Pattern | None = None
    times: Annotated[int, Field(ge=0)] = 1
    exactly: bool = False
    ends_well: Literal[True] | None = None
    outcome: Outcome | None = None
    lost_at: Stage | None = None
    none_lost: Literal[True] | None = None
    armed: Literal[True] | None = None
    rose: dict[str, int] | None = None

    @model_validator(mode="after")
    def _says_how(self) -> Self:
        kinds = (self.matches, self.ends_well, self.outcome, self.lost_at, self.none_lost, self.armed, self.rose)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("say one of: matches, ends_well, outcome, lost_at, none_lost, armed, rose")
        return self

    @property
    def is_of_trial(self) -> bool:
        """Whether it is about a trial, not about output."""
        return self.matches is None and self.ends_well is None


class Command(Model):
    """A command that a step shows and runs.

    Attributes:
        line: What a person would type.
        mark: Regular expressions: what they find in the output is the decisive part.
        must: What it must show.
    """

    line: Line
    mark: tuple[Pattern, ...] = ()
    must: tuple[Must, ...] = ()

    @property
    def verb(self) -> str:
        """Its verb."""
        return shlex.split(self.line)[1]

    @property
    def machines(self) -> tuple[str, ...]:
        """The machines that it needs running."""
        words = shlex.split(self.line)[2:]
        if self.verb == "run":
            return tuple(takewhile(lambda word: not word.startswith("-"), words))
        return tuple(words[:1]) if self.verb == "ssh" else ()

    @property
    def cells(self) -> frozenset[str]:
        """The cells, as MACHINE/SCENARIO, that it makes trials of."""
        if self.verb != "run":
            return frozenset()
        named = [value for name, value in pairwise(shlex.split(self.line)) if name in {"-s", "--scenario"}]
        return frozenset(f"{machine}/{PurePath(name).stem}" for machine in self.machines for name in named)


class Option(Model):
    """One of the answers to choose from.

    Attributes:
        answer: The answer.
        because: Why it is right, or why it is wrong.
        right: Whether it is right.
    """

    answer: Wording
    because: Wording
    right: bool = False


class QuizQuestion(Model):
    """A question with answers to choose from, of which one is right.

    Attributes:
        asks: The question.
        first: Whether it is asked before the step's commands are run: as a prediction.
        option: The answers.
    """

    asks: Wording
    first: bool = False
    option: Annotated[tuple[Option, ...], Field(min_length=2, max_length=9)]

    @model_validator(mode="after")
    def _one_is_right(self) -> Self:
        if sum(option.right for option in self.option) != 1:
            raise ValueError("one option is right, and says so: right = true")
        return self

    @property
    def right(self) -> int:
        """The right answer's number, from 1."""
        return next(number for number, option in enumerate(self.option, start=1) if option.right)


class Step(Model):
    """One step of a lesson; the name of its file is its name, and gives the order.

    Attributes:
        name: What people type for it.
        title: Its title, a few words.
        will: What will be done, and what to look for.
        trial: MACHINE/SCENARIO: the trials of the lesson's run that the step is about.
        command: What is shown and run, in order.
        explains: The explanation of what was seen.
        question: Its questions.
    """

    name: Annotated[str, Field(pattern=r"^[0-9]{2}-[a-z][a-z0-9-]{0,60}$")]
    title: Wording
    will: Wording
    trial: Annotated[str, Field(pattern=CELL)] | None = None
    command: tuple[Command, ...] = ()
    explains: Wording | None = None
    question: tuple[QuizQuestion, ...] = ()

    @model_validator(mode="after")
    def _knows_its_trial(self) -> Self:
        texts = [text for words in self.texts for text in (words.en, words.zh) if text]
        texts += [text for command in self.command for text in (command.line, *command.mark)]
        needed = any(fields.of_trial(text) for text in texts)
        needed |= any(must.is_of_trial for command in self.command for must in command.must)
        if needed and self.trial is None:
            raise ValueError("it is about a trial: say which, as MACHINE/SCENARIO, in 'trial'")
        return self

    @property
    def texts(self) -> tuple[Words, ...]:
        """All its texts."""
        musts = [must.says for command in self.command for must in command.must]
        options = [option for question in self.question for option in question.option]
        asked = [question.asks for question in self.question]
        answers = [words for option in options for words in (option.answer, option.because)]
        return (self.title, self.will, *([self.explains] if self.explains else []), *musts, *asked, *answers)
