"""`lab mystery`: an incident, clue by clue, from stored evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.catalogue import find
from lab.commands.show import TrialShown
from lab.evidence import raw
from lab.foundation.home import SCENARIOS
from lab.foundation.language import Language
from lab.foundation.result import Result
from lab.judgement.judged import judge_trial
from lab.lesson import checks, fields, marks, mystery
from lab.lesson.classroom import (
    Accused,
    Answered,
    Asked,
    Classroom,
    Heading,
    KnownFacts,
    Menu,
    ShownOutput,
    Summary,
    Typed,
    prose,
)
from lab.lesson.marks import MarkedLine
from lab.lesson.mystery import Mystery, Tool
from lab.lesson.words import Words


@dataclass(frozen=True)
class Solved:
    """A solved incident.

    Attributes:
        name: Its name.
        used: The number of tools used.
        of: The number of tools.
        wrong: The number of wrong answers.
        language: Its language.
    """

    name: str
    used: int
    of: int
    wrong: int
    language: Language


@dataclass(frozen=True)
class MysteriesListed:
    """All incidents: each one's name and title."""

    mysteries: tuple[tuple[str, str], ...]


def listed(classroom: Classroom) -> Result[MysteriesListed]:
    """Return all incidents."""
    incidents = mystery.find(mystery.OWN)
    return Result(
        MysteriesListed(tuple((name, one.title.text(classroom.language)) for name, (one, _) in incidents.items()))
    )


def solve(classroom: Classroom, name: str | None) -> Result[Solved]:
    """Let the user solve an incident: choose tools and name places until the packet is found and proven to be there.

    Args:
        classroom: Presents the incident.
        name: The incident; None to ask for it.

    Raises:
        BadInput: there is no such incident, or the input ended.
    """
    if name is None:
        names, titles = zip(*listed(classroom).data.mysteries, strict=True)
        name = names[classroom.ask(Asked(Menu.INCIDENTS, titles, 1)) - 1]
    case = _Case(classroom, *mystery.get(mystery.OWN, name))
    return case.solve()


def output_of(tool: Tool, directory: Path, values: Mapping[str, str]) -> tuple[MarkedLine, ...]:
    """Return what a tool shows of an incident.

    Args:
        tool: The tool.
        directory: The incident's evidence.
        values: The fields of its texts.
    """
    only = raw.compile_pattern(checks.escaped(tool.only, values)) if tool.only else None
    lines: list[str] = []
    for source in tool.sources:
        lines += [f"# {source}"] if len(tool.sources) > 1 else []
        lines += raw.read_lines(directory / source, only)
    return marks.marked(lines, [checks.escaped(pattern, values) for pattern in tool.mark])


def values_of(incident: Mystery, directory: Path) -> dict[str, str]:
    """Return the fields of an incident's texts."""
    (scenario,) = find.scenarios(SCENARIOS, [incident.scenario])
    trial = judge_trial(directory, scenario)
    return fields.values(incident.name, trial.evidence, trial.verdict.lifelines)


@dataclass
class _Case:
    """An incident under way."""

    classroom: Classroom
    mystery: Mystery
    directory: Path
    used: list[Tool] = field(default_factory=list)
    wrong: int = 0

    def __post_init__(self) -> None:
        (scenario,) = find.scenarios(SCENARIOS, [self.mystery.scenario])
        self._trial = judge_trial(self.directory, scenario)
        self._values = fields.values(self.mystery.name, self._trial.evidence, self._trial.verdict.lifelines)

    def solve(self) -> Result[Solved]:
        """Alternate between tools and answers until it is solved."""
        say = self.classroom.say
        say(Heading(self._text(self.mystery.title)))
        self._present(self.mystery.story)
        while True:
            say(KnownFacts((self._text(self.mystery.known), *(self._text(tool.fact) for tool in self.used))))
            left = [tool for tool in self.mystery.tool if tool not in self.used]
            chosen = self._choose(left)
            if chosen is not None:
                self._use(chosen)
            elif self._accuse():
                break
        self._present(self.mystery.solution)
        shown = TrialShown(self.mystery.name, self.directory, self._trial.evidence, self._trial.verdict)
        say(Summary())
        say(ShownOutput(marks.marked(self.classroom.rendered(shown), ["✗.*", r"NF_DROP\)"])))
        return Result(
            Solved(self.mystery.name, len(self.used), len(self.mystery.tool), self.wrong, self.classroom.language)
        )

    @property
    def _is_proven(self) -> bool:
        return any(tool.decides for tool in self.used)

    def _choose(self, left: Sequence[Tool]) -> Tool | None:
        """Return the chosen tool; None to name the place instead."""
        # Unattended: one tool after another, until the packet is found.
        unattended = len(left) + 1 if self._is_proven else 1
        names = tuple(f"{self._text(tool.name)} (`{tool.line}`)" for tool in left)
        number = self.classroom.ask(Asked(Menu.TOOLS, names, unattended))
        return left[number - 1] if number <= len(left) else None

    def _use(self, tool: Tool) -> None:
        self.classroom.say(Typed(tool.line))
        self.classroom.say(ShownOutput(output_of(tool, self.directory, self._values)))
        self._present(tool.tells)
        self.used.append(tool)

    def _accuse(self) -> bool:
        """Ask for a place; return whether the answer is right and proven."""
        places = self.mystery.place
        number = self.classroom.ask(
            Asked(Menu.PLACES, tuple(self._text(place.place) for place in places), self.mystery.right)
        )
        is_right = number == self.mystery.right
        self.wrong += not is_right
        if is_right and not self._is_proven:
            self.classroom.say(Accused(proven=False))
            return False
        self.classroom.say(Answered(number, self.mystery.right, self._text(places[number - 1].because), None))
        return is_right

    def _present(self, words: Words) -> None:
        self.classroom.say(prose(words, self.classroom.language, self._text(words)))

    def _text(self, words: Words) -> str:
        return fields.filled(words.text(self.classroom.language), self._values)
