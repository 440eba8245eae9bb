"""`lab mystery`: an incident, clue by clue, from stored evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import verdict
from lab.catalogue import find
from lab.commands.show import TrialShown
from lab.evidence import raw, trial
from lab.home import SCENARIOS
from lab.language import Language
from lab.lesson import checks, fields, marks, mystery
from lab.lesson.classroom import Accused, Answered, Asked, Classroom, Heading, Known, Menu, Output, Summary, Typed, told
from lab.lesson.mystery import Mystery, Tool
from lab.lesson.words import Words
from lab.result import Result


@dataclass(frozen=True)
class Solved:
    """An incident that was solved.

    Attributes:
        name: Which.
        used: How many tools were used.
        of: How many there are.
        wrong: How many wrong places were named before.
        language: What it was told in.
    """

    name: str
    used: int
    of: int
    wrong: int
    language: Language


@dataclass(frozen=True)
class MysteriesListed:
    """The incidents there are: each one's name and title."""

    mysteries: tuple[tuple[str, str], ...]


def listed(classroom: Classroom) -> Result[MysteriesListed]:
    """Give all incidents."""
    found = mystery.find(mystery.OWN)
    return Result(
        MysteriesListed(tuple((name, one.title.said(classroom.language)) for name, (one, _) in found.items()))
    )


def solve(classroom: Classroom, name: str | None) -> Result[Solved]:
    """Have an incident solved: tools are chosen and places named until the packet is found, and that is proven.

    Args:
        classroom: Who talks with the one who solves it.
        name: Which incident; asked for when None.

    Raises:
        BadInput: there is none of that name, or nobody is there to answer.
    """
    if name is None:
        names, titles = zip(*listed(classroom).data.mysteries, strict=True)
        name = names[classroom.ask(Asked(Menu.INCIDENTS, titles, 1)) - 1]
    case = _Case(classroom, *mystery.get(mystery.OWN, name))
    return case.solve()


@dataclass
class _Case:
    """An incident under way."""

    classroom: Classroom
    mystery: Mystery
    directory: Path
    used: list[Tool] = field(default_factory=list)
    wrong: int = 0

    def __post_init__(self) -> None:
        self._evidence = trial.read(self.directory)
        (scenario,) = find.scenarios(SCENARIOS, [self.mystery.scenario])
        self._verdict = verdict.judge(self._evidence, scenario)
        self._values = fields.values(self.mystery.name, self._evidence, self._verdict.lifelines)

    def solve(self) -> Result[Solved]:
        """Go on until it is solved."""
        say = self.classroom.say
        say(Heading(self._said(self.mystery.title)))
        self._tell(self.mystery.story)
        while True:
            say(Known((self._said(self.mystery.known), *(self._said(tool.fact) for tool in self.used))))
            left = [tool for tool in self.mystery.tool if tool not in self.used]
            chosen = self._choose(left)
            if chosen is not None:
                self._use(chosen)
            elif self._accuse():
                break
        self._tell(self.mystery.solution)
        shown = TrialShown(self.mystery.name, self.directory, self._evidence, self._verdict)
        say(Summary())
        say(Output(marks.marked(self.classroom.rendered(shown), ["✗.*", r"NF_DROP\)"])))
        return Result(
            Solved(self.mystery.name, len(self.used), len(self.mystery.tool), self.wrong, self.classroom.language)
        )

    @property
    def _is_proven(self) -> bool:
        return any(tool.decides for tool in self.used)

    def _choose(self, left: Sequence[Tool]) -> Tool | None:
        """Let a tool be chosen; None to name the place instead."""
        # Where nobody can be asked: one tool after another, until the packet is found.
        by_itself = len(left) + 1 if self._is_proven else 1
        names = tuple(f"{self._said(tool.name)} (`{tool.line}`)" for tool in left)
        number = self.classroom.ask(Asked(Menu.TOOLS, names, by_itself))
        return left[number - 1] if number <= len(left) else None

    def _use(self, tool: Tool) -> None:
        only = raw.pattern(checks.escaped(tool.only, self._values)) if tool.only else None
        patterns = [checks.escaped(pattern, self._values) for pattern in tool.mark]
        lines: list[str] = []
        for source in tool.sources:
            lines += [f"# {source}"] if len(tool.sources) > 1 else []
            lines += raw.lines(self.directory / source, only)
        self.classroom.say(Typed(tool.line))
        self.classroom.say(Output(marks.marked(lines, patterns)))
        self._tell(tool.tells)
        self.used.append(tool)

    def _accuse(self) -> bool:
        """Let a place be named; tells whether it is right, and proven."""
        places = self.mystery.place
        number = self.classroom.ask(
            Asked(Menu.PLACES, tuple(self._said(place.place) for place in places), self.mystery.right)
        )
        is_right = number == self.mystery.right
        self.wrong += not is_right
        if is_right and not self._is_proven:
            self.classroom.say(Accused(proven=False))
            return False
        self.classroom.say(Answered(number, self.mystery.right, self._said(places[number - 1].because), None))
        return is_right

    def _tell(self, words: Words) -> None:
        self.classroom.say(told(words, self.classroom.language, self._said(words)))

    def _said(self, words: Words) -> str:
        return fields.filled(words.said(self.classroom.language), self._values)
