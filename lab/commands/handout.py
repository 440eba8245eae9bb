"""`lab lesson --handout`: the walk on paper, with what the newest lesson showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import BadInput
from lab.language import Language
from lab.lesson import record
from lab.lesson.record import Record
from lab.lesson.step import Step
from lab.session import Session
from lab.store import Run


@dataclass(frozen=True)
class Handout:
    """What a handout is made of.

    Attributes:
        run: The lesson's run.
        record: What the lesson showed.
        steps: All steps, whether or not they were walked.
        language: What it is written in.
        trainer: Whether it has the answers.
    """

    run: Run
    record: Record
    steps: tuple[Step, ...]
    language: Language
    trainer: bool

    @property
    def not_walked(self) -> tuple[str, ...]:
        """The names of the steps that the lesson did not come to, or had no such step then."""
        return tuple(step.name for step in self.steps if step.name not in self.record.walked)


@dataclass(frozen=True)
class HandoutWritten:
    """A handout that was written.

    Attributes:
        paths: Its files.
        run: The run that its outputs are of.
        trainer: Whether it has the answers.
        not_walked: The steps that it has no output of.
    """

    paths: tuple[Path, ...]
    run: str
    trainer: bool
    not_walked: tuple[str, ...]


def prepare(session: Session, steps: Sequence[Step], language: Language, *, trainer: bool) -> Handout:
    """Put together what a handout is made of.

    Args:
        session: The lab in use.
        steps: The steps.
        language: What it shall be written in.
        trainer: Whether it shall have the answers.

    Raises:
        BadInput: no lesson was held yet.
    """
    held = record.newest(session.store)
    if held is None:
        raise BadInput(
            "no lesson was held yet whose outputs a handout could have",
            hint="hold one; it can go by itself: lab lesson --unattended",
        )
    return Handout(*held, tuple(steps), language, trainer)
