"""`lab lesson`: the steps walked one by one, on real machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.catalogue import find
from lab.commands import machines as machine_commands
from lab.commands.walk import Do, Score, Walk
from lab.home import MACHINES
from lab.language import Language
from lab.lesson import marks, record, steps
from lab.lesson.classroom import Classroom, Output, Typed
from lab.lesson.step import Command, Step
from lab.preference import Preference, ProviderName
from lab.provider.base import State
from lab.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.session import Session

REPLICAS = Preference(ProviderName.QEMU, replica=True, asked_by="the lesson")
"""For machines that are not there yet: in seconds, on any machine."""


@dataclass(frozen=True)
class LessonHeld:
    """A lesson that came to its end.

    Attributes:
        run: The run that everything was shown from; None when no step made any.
        path: Where its raw files are, likewise.
        walked: The names of the steps that were walked.
        not_shown: The names of those that did not show what they should.
        score: Of all questions.
        quiz: Of the last step with questions.
        unattended: Whether the questions were answered by nobody.
        language: What it was held in.
    """

    run: str | None
    path: Path | None
    walked: tuple[str, ...]
    not_shown: tuple[str, ...]
    score: Score
    quiz: Score
    unattended: bool
    language: Language


@dataclass(frozen=True)
class How:
    """How a lesson is held.

    Attributes:
        start: The place of the step to begin with, from 0.
        keep: Leave the machines running that the lesson brought up.
        unattended: Nobody is there to answer.
    """

    start: int = 0
    keep: bool = False
    unattended: bool = False


def hold(session: Session, classroom: Classroom, do: Do, all_steps: Sequence[Step], how: How) -> Result[LessonHeld]:
    """Hold a lesson; exit status 1 when a step did not show what it should.

    Args:
        session: The lab in use.
        classroom: Who talks with the learners.
        do: Carries out the commands that are shown.
        all_steps: The steps.
        how: How it is held. What steps before the first one made is taken from the newest lesson, or made now.

    Raises:
        BadInput: nobody is there to answer, or a step's command is none.
        BrokenEnvironment: a machine could not be brought up, or went away.
    """
    held = record.newest(session.store) if how.start else None
    walk = Walk(session.store, classroom, do, all_steps, held[1] if held else None)
    to_walk = range(how.start, len(all_steps))
    looked_at = {step.trial for step in all_steps[how.start :]}
    wanting = [
        command for step in all_steps[: how.start] for command in step.command if walk.lacks(command) & looked_at
    ]
    needed = _machines_of(wanting + [command for place in to_walk for command in all_steps[place].command])
    in_order = [name for name in _machines_of([each for step in all_steps for each in step.command]) if name in needed]
    with _machines(session, classroom, in_order, keep=how.keep):
        walk.make_up(wanting)
        for place in to_walk:
            walk.step(place)
    return _held(walk, unattended=how.unattended)


def _held(walk: Walk, *, unattended: bool) -> Result[LessonHeld]:
    run = walk.run
    held = LessonHeld(
        run=run.id if run else None,
        path=walk.store.path(run) if run else None,
        walked=tuple(walk.walked),
        not_shown=tuple(walk.not_shown),
        score=walk.score,
        quiz=walk.quiz,
        unattended=unattended,
        language=walk.classroom.language,
    )
    return Result(held, NOT_AS_EXPECTED if walk.not_shown else AS_ASKED)


def _machines_of(commands: Sequence[Command]) -> list[str]:
    names: dict[str, None] = {}
    for command in commands:
        names |= dict.fromkeys(command.machines)
    return list(names)


@contextmanager
def _machines(session: Session, classroom: Classroom, names: Sequence[str], *, keep: bool) -> Iterator[None]:
    """Have machines up while inside; those that were not there before go at the end."""
    if not names:
        yield
        return
    definitions = find.machines(MACHINES, names)
    found = session.as_they_are(definitions)
    absent = [machine for machine in found if session.provider(machine).state(machine) is State.ABSENT]
    how = f" --provider {REPLICAS.provider}" if absent and REPLICAS.provider else ""
    classroom.say(Typed(f"lab up {' '.join(names)}{how}"))
    try:
        with classroom.working():
            # What is destroyed at the end need not be saved.
            up = machine_commands.up(session, names, REPLICAS, stap=False, save=keep or not absent)
        classroom.say(Output(marks.marked(classroom.rendered(up.data), [])))
        yield
    finally:
        if absent and not keep:
            with classroom.working(), session.using(*absent):
                for machine in absent:
                    session.forget(machine)
                    session.provider(machine).destroy(machine)


@dataclass(frozen=True)
class StepsListed:
    """The steps there are, with their titles."""

    steps: tuple[tuple[str, str], ...]


def listed(classroom: Classroom, added: Path | None) -> Result[StepsListed]:
    """Give the steps in their order.

    Raises:
        BadInput: a step's file is wrong.
    """
    found = steps.find(steps.OWN, added)
    return Result(StepsListed(tuple((step.name, step.title.said(classroom.language)) for step in found)))
