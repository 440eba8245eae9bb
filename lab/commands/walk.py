"""A lesson under way: its steps are shown, run, looked at, asked about and explained."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lab import verdict
from lab.commands.run import RunDone
from lab.commands.show import RawShown
from lab.commands.ssh import Printed
from lab.comparison import UNJUDGED
from lab.errors import BadInput
from lab.evidence import trial as evidence_of
from lab.evidence.trial import Evidence
from lab.lesson import checks, fields, marks, record
from lab.lesson.checks import Seen
from lab.lesson.classroom import Again, Answered, Asked, Checked, Classroom, Heading, NotShown, Output, Typed, told
from lab.lesson.record import Looked, Record, Shown, Walked
from lab.lesson.step import Command, Question, Step
from lab.lesson.words import Words
from lab.result import Result
from lab.store import Run, RunStore, trial_name
from lab.verdict import Outcome, Verdict

PAGE_COLUMNS = 96
"""The width in which results are looked at and kept: as much as fits on a page."""

Do = Callable[[Sequence[str]], Result[object]]
"""Carries out a command line of the lab's, given without its first word."""


AGAIN = frozenset({Outcome.UNARMED, *UNJUDGED})
"""Outcomes that say nothing of the kernel, as on a machine that is too busy: such a trial is made once more."""

_Trial = tuple[str, Evidence, Verdict]
"""A trial's name, what its raw files say, and what follows from it."""


@dataclass(frozen=True)
class _Once:
    """A command that was run: as it was typed, what it printed on a page, and what stood in place of its fields."""

    line: str
    page: tuple[str, ...]
    exit_status: int
    values: dict[str, str]
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """How many questions were asked, and how many were answered right."""

    right: int = 0
    asked: int = 0

    def __add__(self, other: Score) -> Score:
        """Add up."""
        return Score(self.right + other.right, self.asked + other.asked)


@dataclass
class Walk:
    """A lesson under way.

    Attributes:
        store: Where its run is.
        classroom: Who talks with the learners.
        do: Carries out the commands that are shown.
        steps: All steps.
        record: What it has shown so far; None until its first trial.
        walked: The names of the steps that were walked.
        not_shown: The names of those that did not show what they should.
        score: Of all questions.
        quiz: Of the last step with questions.
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
        """Give the cells, as MACHINE/SCENARIO, that a command makes trials of and the lesson's run has none of."""
        run = self.run
        return {cell for cell in command.cells if run is None or not self.store.trials(run, *cell.split("/"))}

    def make_up(self, wanting: Sequence[Command]) -> None:
        """Make what steps made that are not walked."""
        for command in wanting:
            line = self._line(command, {})
            self.classroom.say(Typed(line))
            self._carry_out(line)

    def step(self, place: int) -> None:
        """Walk one step."""
        step, classroom = self.steps[place], self.classroom
        classroom.say(Heading(step.title.said(classroom.language), place + 1, len(self.steps)))
        self._tell(step.will, self._values(step))
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
                self._tell(step.explains, values)
        else:
            self.not_shown.append(step.name)
            classroom.say(NotShown(self._maker(place) + 1))
        self.score += score
        self.quiz = score if score.asked else self.quiz
        if place + 1 < len(self.steps):
            classroom.pause()

    def _maker(self, place: int) -> int:
        """Give the place of the step that makes the trials that a step is about: to try it again, begin there."""
        cell = self.steps[place].trial
        return next(
            (at for at in range(place, -1, -1) if any(cell in each.cells for each in self.steps[at].command)), place
        )

    def _tell(self, words: Words, values: dict[str, str]) -> None:
        language = self.classroom.language
        self.classroom.say(told(words, language, fields.filled(words.said(language), values)))

    def _show(self, step: Step, command: Command) -> Shown:
        shown, trials = self._once(step, command)
        unjudged = next((judged for _, _, judged in trials if judged.outcome in AGAIN), None)
        if command.verb == "run" and unjudged:
            self.classroom.say(Again(unjudged.reason))
            shown, trials = self._once(step, command)
        looked = self._look(command, Seen(shown.page, shown.exit_status, *_of(trials)), shown.values)
        return Shown(line=shown.line, lines=marks.marked(shown.page, shown.patterns), looked=looked)

    def _once(self, step: Step, command: Command) -> tuple[_Once, list[_Trial]]:
        """Run a command and show what it prints; gives that, and the step's trials, or those that it made."""
        line = self._line(command, self._values(step))
        before = {name for name, _, _ in self._trials(step)} if command.verb == "run" else set()
        self.classroom.say(Typed(line))
        try:
            done = self._carry_out(line)
        except BadInput as error:
            # Of a step before it that did not show what it should, this one finds nothing.
            done = Result(Printed((f"lab: {error.message}",)), error.exit_status)
        values = self._values(step)
        patterns = tuple(checks.escaped(pattern, values) for pattern in command.mark)
        self.classroom.say(Output(marks.marked(self._lines(done, None), patterns)))
        trials = [trial for trial in self._trials(step) if trial[0] not in before]
        return _Once(line, tuple(self._lines(done, PAGE_COLUMNS)), done.exit_status, values, patterns), trials

    def _lines(self, done: Result[object], width: int | None) -> Sequence[str]:
        """Give what a command printed: raw lines as they are, other results at a width."""
        if isinstance(done.data, RawShown | Printed):
            return done.data.lines
        return self.classroom.rendered(done.data, width)

    def _line(self, command: Command, values: dict[str, str]) -> str:
        line = fields.filled(command.line, values)
        # Everything a lesson makes goes into one run.
        return f"{line} --into {self.record.run}" if command.verb == "run" and self.record else line

    def _carry_out(self, line: str) -> Result[object]:
        with self.classroom.working():
            done = self.do(shlex.split(line)[1:])
        if isinstance(done.data, RunDone) and self.record is None:
            self.record = record.begun(done.data.run.id)
        return done

    def _look(self, command: Command, seen: Seen, values: dict[str, str]) -> tuple[Looked, ...]:
        looked = []
        language = self.classroom.language
        for must in command.must:
            holds = checks.holds(must, seen, values)
            self.classroom.say(Checked(fields.filled(must.says.said(language), values), holds))
            looked.append(Looked(says=must.says, holds=holds))
        return tuple(looked)

    def _trials(self, step: Step) -> list[_Trial]:
        """Give the trials that a step is about: each one's name, evidence and verdict."""
        run = self.run
        machine, _, scenario = (step.trial or "").partition("/")
        if run is None or scenario not in run.scenarios:
            return []
        found = []
        for path in self.store.trials(run, machine, scenario):
            evidence = evidence_of.read(path)
            name = trial_name(machine, scenario, path)
            found.append((name, evidence, verdict.judge(evidence, run.scenarios[scenario])))
        return found

    def _values(self, step: Step) -> dict[str, str]:
        """Give what stands in place of fields, as far as it is known by now."""
        values = {"run": self.record.run} if self.record else {}
        traced = [trial for trial in self._trials(step) if trial[1].gathered]
        if traced:
            name, evidence, judged = traced[-1]
            values |= fields.values(name, evidence, judged.lifelines)
        return values

    def _ask(self, step: Step, *, first: bool) -> Score:
        score = Score()
        for question in step.question:
            if question.first is first:
                score += self._ask_one(question, self._values(step))
        return score

    def _ask_one(self, question: Question, values: dict[str, str]) -> Score:
        def said(words: Words) -> str:
            return fields.filled(words.said(self.classroom.language), values)

        options = tuple(said(option.answer) for option in question.option)
        chosen = self.classroom.ask(Asked(said(question.asks), options, question.right))
        right = question.option[question.right - 1]
        rather = None if chosen == question.right else (said(right.answer), said(right.because))
        self.classroom.say(Answered(chosen, question.right, said(question.option[chosen - 1].because), rather))
        return Score(int(chosen == question.right), 1)

    def _keep(self, step: Step, walked: Walked) -> None:
        if self.record is None:
            return
        self.record = self.record.model_copy(update={"walked": {**self.record.walked, step.name: walked}})
        record.store(self.store, self.record)


def _of(trials: Sequence[_Trial]) -> tuple[list[Verdict], tuple[Evidence, Verdict] | None]:
    """Give the verdicts of trials, and the newest one with evidence."""
    traced = [(evidence, judged) for _, evidence, judged in trials if evidence.gathered]
    return [judged for _, _, judged in trials], traced[-1] if traced else None
