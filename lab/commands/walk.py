"""Walks through a lesson: presents, runs, checks and explains its steps, and asks their questions."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lab.commands.show import RawShown
from lab.commands.ssh import CommandOutput
from lab.commands.trials import RunDone
from lab.comparison.cells import UNJUDGED
from lab.evidence.trial import Evidence
from lab.foundation.errors import BadInput
from lab.foundation.result import Result
from lab.judgement.judged import JudgedTrial, judge_trial
from lab.judgement.outcome import Outcome, Verdict
from lab.lesson import checks, fields, marks, record
from lab.lesson.checks import Observed
from lab.lesson.classroom import (
    Again,
    Answered,
    Asked,
    Classroom,
    Expectation,
    Heading,
    NotShown,
    ShownOutput,
    Typed,
    prose,
)
from lab.lesson.record import Looked, Record, RecordedCommand, Walked
from lab.lesson.step import Command, QuizQuestion, Step
from lab.lesson.words import Words
from lab.runs.run import Run
from lab.runs.store import RunStore, trial_name

PAGE_COLUMNS = 96
"""The width in which results are checked and stored: as much as fits on a page."""

Do = Callable[[Sequence[str]], Result[object]]
"""Runs a command line of the lab, given without its first word."""


AGAIN = frozenset({Outcome.UNARMED, *UNJUDGED})
"""Outcomes that show nothing about the kernel, as on a busy machine: such trials are made once more."""

_Trial = tuple[str, JudgedTrial]
"""A trial's name, and its evidence and verdict."""


@dataclass(frozen=True)
class _Once:
    """One execution of a command: its line, its output on a page, and the values of its fields."""

    line: str
    page: tuple[str, ...]
    exit_status: int
    values: dict[str, str]
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """The number of questions, and of right answers."""

    right: int = 0
    asked: int = 0

    def __add__(self, other: Score) -> Score:
        """Add up."""
        return Score(self.right + other.right, self.asked + other.asked)


@dataclass
class Walk:
    """A lesson in progress.

    Attributes:
        store: The store that has its run.
        classroom: Presents the lesson.
        do: Runs the commands that are shown.
        steps: All steps.
        record: Its record so far; None until its first trial.
        walked: The names of the finished steps.
        not_shown: The names of those that did not show what they should.
        score: The score of all questions.
        quiz: The score of the last step with questions.
    """

    store: RunStore
    classroom: Classroom
    do: Do
    steps: Sequence[Step]
    record: Record | None
    not_shown: list[str] = field(default_factory=list)
    walked: list[str] = field(default_factory=list)
    score: Score = field(default_factory=Score)
    quiz: Score = field(default_factory=Score)

    @property
    def run(self) -> Run | None:
        """The lesson's run, as it is now."""
        return self.store.get(self.record.run) if self.record else None

    def lacks(self, command: Command) -> set[str]:
        """Return the cells, as MACHINE/SCENARIO, that a command makes trials of and the lesson's run has none of."""
        run = self.run
        return {cell for cell in command.cells if run is None or not self.store.trials(run, *cell.split("/"))}

    def make_up(self, commands: Sequence[Command]) -> None:
        """Make the trials of steps that are skipped."""
        for command in commands:
            line = self._line(command, {})
            self.classroom.say(Typed(line))
            self._carry_out(line)

    def step(self, place: int) -> None:
        """Walk one step."""
        step, classroom = self.steps[place], self.classroom
        classroom.say(Heading(step.title.text(classroom.language), place + 1, len(self.steps)))
        self._present(step.will, self._values(step))
        score = self._ask(step, first=True)
        if step.command and not score.asked:
            classroom.pause()
        shown = tuple(self._show(step, command) for command in step.command)
        values = self._values(step)
        walked = Walked(shown=shown, values=values)
        self._keep(step, walked)
        self.walked.append(step.name)
        if walked.holds:
            score += self._ask(step, first=False)
            if step.explains:
                self._present(step.explains, values)
        else:
            self.not_shown.append(step.name)
            classroom.say(NotShown(self._maker(place) + 1))
        self.score += score
        self.quiz = score if score.asked else self.quiz
        if place + 1 < len(self.steps):
            classroom.pause()

    def _maker(self, place: int) -> int:
        """Return the place of the step that makes the trials of a step: trying it again begins there."""
        cell = self.steps[place].trial
        return next(
            (at for at in range(place, -1, -1) if any(cell in each.cells for each in self.steps[at].command)), place
        )

    def _present(self, words: Words, values: dict[str, str]) -> None:
        language = self.classroom.language
        self.classroom.say(prose(words, language, fields.filled(words.text(language), values)))

    def _show(self, step: Step, command: Command) -> RecordedCommand:
        shown, trials = self._once(step, command)
        unjudged = next((trial.verdict for _, trial in trials if trial.verdict.outcome in AGAIN), None)
        if command.verb == "run" and unjudged:
            self.classroom.say(Again(unjudged.reason))
            shown, trials = self._once(step, command)
        looked = self._look(command, Observed(shown.page, shown.exit_status, *_of(trials)), shown.values)
        return RecordedCommand(line=shown.line, lines=marks.marked(shown.page, shown.patterns), looked=looked)

    def _once(self, step: Step, command: Command) -> tuple[_Once, list[_Trial]]:
        """Run a command and show its output; return that, and the step's trials, or those that it made."""
        line = self._line(command, self._values(step))
        before = {name for name, _ in self._trials(step)} if command.verb == "run" else set()
        self.classroom.say(Typed(line))
        try:
            done = self._carry_out(line)
        except BadInput as error:
            # An earlier step that failed leaves nothing for this one.
            done = Result(CommandOutput((f"lab: {error.message}",)), error.exit_status)
        values = self._values(step)
        patterns = tuple(checks.escaped(pattern, values) for pattern in command.mark)
        self.classroom.say(ShownOutput(marks.marked(self._lines(done, None), patterns)))
        trials = [trial for trial in self._trials(step) if trial[0] not in before]
        return _Once(line, tuple(self._lines(done, PAGE_COLUMNS)), done.exit_status, values, patterns), trials

    def _lines(self, done: Result[object], width: int | None) -> Sequence[str]:
        """Return a command's output: raw lines unchanged, other results at a width."""
        if isinstance(done.data, RawShown | CommandOutput):
            return done.data.lines
        return self.classroom.rendered(done.data, width)

    def _line(self, command: Command, values: dict[str, str]) -> str:
        line = fields.filled(command.line, values)
        # All trials of a lesson go into one run.
        return f"{line} --into {self.record.run}" if command.verb == "run" and self.record else line

    def _carry_out(self, line: str) -> Result[object]:
        with self.classroom.working():
            done = self.do(shlex.split(line)[1:])
        if isinstance(done.data, RunDone) and self.record is None:
            self.record = record.begun(done.data.run.id)
        return done

    def _look(self, command: Command, seen: Observed, values: dict[str, str]) -> tuple[Looked, ...]:
        looked = []
        language = self.classroom.language
        for must in command.must:
            holds = checks.holds(must, seen, values)
            self.classroom.say(Expectation(fields.filled(must.says.text(language), values), holds))
            looked.append(Looked(says=must.says, holds=holds))
        return tuple(looked)

    def _trials(self, step: Step) -> list[_Trial]:
        """Return the trials of a step."""
        run = self.run
        machine, _, scenario = (step.trial or "").partition("/")
        if run is None or scenario not in run.scenarios:
            return []
        return [
            (trial_name(machine, scenario, path), judge_trial(path, run.scenarios[scenario]))
            for path in self.store.trials(run, machine, scenario)
        ]

    def _values(self, step: Step) -> dict[str, str]:
        """Return the values of fields, as far as they are known by now."""
        values = {"run": self.record.run} if self.record else {}
        traced = [(name, trial) for name, trial in self._trials(step) if trial.evidence.gathered]
        if traced:
            name, trial = traced[-1]
            values |= fields.values(name, trial.evidence, trial.verdict.lifelines)
        return values

    def _ask(self, step: Step, *, first: bool) -> Score:
        score = Score()
        for question in step.question:
            if question.first is first:
                score += self._ask_one(question, self._values(step))
        return score

    def _ask_one(self, question: QuizQuestion, values: dict[str, str]) -> Score:
        def text(words: Words) -> str:
            return fields.filled(words.text(self.classroom.language), values)

        options = tuple(text(option.answer) for option in question.option)
        chosen = self.classroom.ask(Asked(text(question.asks), options, question.right))
        right = question.option[question.right - 1]
        rather = None if chosen == question.right else (text(right.answer), text(right.because))
        self.classroom.say(Answered(chosen, question.right, text(question.option[chosen - 1].because), rather))
        return Score(int(chosen == question.right), 1)

    def _keep(self, step: Step, walked: Walked) -> None:
        if self.record is None:
            return
        self.record = self.record.model_copy(update={"walked": {**self.record.walked, step.name: walked}})
        record.store(self.store, self.record)


def _of(trials: Sequence[_Trial]) -> tuple[list[Verdict], tuple[Evidence, Verdict] | None]:
    """Return the verdicts of trials, and the newest one with evidence."""
    traced = [(trial.evidence, trial.verdict) for _, trial in trials if trial.evidence.gathered]
    return [trial.verdict for _, trial in trials], traced[-1] if traced else None
