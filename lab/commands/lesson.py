"""`lab lesson`: the steps one by one, on real machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.catalogue import find
from lab.catalogue.machine import System
from lab.commands import machines as machine_commands
from lab.commands.walk import Do, Score, Walk
from lab.foundation.home import MACHINES
from lab.foundation.language import Language
from lab.foundation.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.lesson import marks, record, steps
from lab.lesson.classroom import Classroom, ShownOutput, Typed
from lab.lesson.step import Command, Step
from lab.provider.base import State
from lab.provider.preference import Preference, ProviderName
from lab.session.session import Session

REPLICAS = Preference(ProviderName.QEMU, system=System.REPLICA, asked_by="the lesson", system_asked_by="the lesson")
"""For absent machines: replicas start in seconds, on any machine."""


@dataclass(frozen=True)
class LessonHeld:
    """A finished lesson.

    Attributes:
        run: The run with the lesson's trials; None when no step made any.
        path: Where its raw files are; None without a run.
        walked: The names of the steps.
        not_shown: The names of those that did not show what they should.
        score: The score of all questions.
        quiz: The score of the last step with questions.
        unattended: Whether the questions were answered automatically.
        language: Its language.
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
class LessonOptions:
    """How a lesson is held.

    Attributes:
        start: The place, from 0, of the first step.
        keep: Leave the lesson's machines running.
        unattended: Whether questions are answered automatically.
        continues: The run of the lesson that is continued; None for the newest.
    """

    start: int = 0
    keep: bool = False
    unattended: bool = False
    continues: str | None = None


def hold(
    session: Session, classroom: Classroom, do: Do, all_steps: Sequence[Step], how: LessonOptions
) -> Result[LessonHeld]:
    """Hold a lesson; exit status 1 when a step did not show what it should.

    Args:
        session: The lab in use.
        classroom: Presents the lesson.
        do: Carries out the commands that are shown.
        all_steps: The steps.
        how: How it is held. Trials of the steps before the first one come from the lesson that is continued, or are
            made now.

    Raises:
        BadInput: the input ended, or a step's command is invalid.
        BrokenEnvironment: a machine could not be brought up, or went away.
    """
    held = record.find(session.store, how.continues) if how.start else None
    walk = Walk(session.store, classroom, do, all_steps, held[1] if held else None)
    to_walk = range(how.start, len(all_steps))
    looked_at = {step.trial for step in all_steps[how.start :]}
    skipped = [
        command for step in all_steps[: how.start] for command in step.command if walk.lacks(command) & looked_at
    ]
    needed = _machines_of(skipped + [command for place in to_walk for command in all_steps[place].command])
    in_order = [name for name in _machines_of([each for step in all_steps for each in step.command]) if name in needed]
    with _machines(session, classroom, in_order, keep=how.keep):
        walk.make_up(skipped)
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
    """Keep machines up inside the block, and put them back into the states in which they were."""
    if not names:
        yield
        return
    before = session.states(session.current(find.machines(MACHINES, names)))
    absent = [machine for machine, state in before if state is State.ABSENT]
    how = f" --system {REPLICAS.system}" if absent else ""
    classroom.say(Typed(f"lab up {' '.join(names)}{how}"))
    try:
        with classroom.working():
            # Machines that are destroyed at the end need not be saved.
            up = machine_commands.up(session, names, REPLICAS, stap=False, save=keep or not absent)
        classroom.say(ShownOutput(marks.marked(classroom.rendered(up.data), [])))
        yield
    finally:
        if not keep:
            with classroom.working(), session.using(*(machine for machine, _ in before)):
                session.put_back(before)


@dataclass(frozen=True)
class StepsListed:
    """All steps, with their titles."""

    steps: tuple[tuple[str, str], ...]


def listed(classroom: Classroom, added: Path | None) -> Result[StepsListed]:
    """Return the steps in their order.

    Raises:
        BadInput: a step's file is wrong.
    """
    all_steps = steps.find(steps.OWN, added)
    return Result(StepsListed(tuple((step.name, step.title.text(classroom.language)) for step in all_steps)))
