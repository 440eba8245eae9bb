"""`lab lesson --handout`: a lesson on paper, with its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.foundation.errors import BadInput
from lab.foundation.language import Language
from lab.lesson import record
from lab.lesson.record import Record
from lab.lesson.step import Step
from lab.runs.run import Run
from lab.session.session import Session


@dataclass(frozen=True)
class Handout:
    """The content of a handout.

    Attributes:
        run: The lesson's run.
        record: The record of the lesson.
        steps: All steps, whether or not they were walked.
        language: Its language.
        trainer: Whether it includes the answers.
    """

    run: Run
    record: Record
    steps: tuple[Step, ...]
    language: Language
    trainer: bool

    @property
    def not_walked(self) -> tuple[str, ...]:
        """The names of the steps that the lesson has no record of."""
        return tuple(step.name for step in self.steps if step.name not in self.record.walked)


@dataclass(frozen=True)
class HandoutWritten:
    """A handout that was written.

    Attributes:
        paths: Its files.
        run: The run of its outputs.
        trainer: Whether it includes the answers.
        not_walked: The steps without output.
    """

    paths: tuple[Path, ...]
    run: str
    trainer: bool
    not_walked: tuple[str, ...]


def prepare(
    session: Session, steps: Sequence[Step], language: Language, run: str | None = None, *, trainer: bool
) -> Handout:
    """Return the content of a handout.

    Args:
        session: The lab in use.
        steps: The steps.
        language: Its language.
        run: The run of the lesson; None for the newest lesson.
        trainer: Whether to include the answers.

    Raises:
        BadInput: no lesson was held yet, or the run is none of a lesson.
    """
    held = record.find(session.store, run)
    if held is None:
        raise BadInput(
            "no lesson was held yet whose outputs a handout could have",
            hint="hold one; it can go by itself: lab lesson --unattended",
        )
    return Handout(*held, tuple(steps), language, trainer)
