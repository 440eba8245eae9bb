"""The schemas of lessons and mysteries, of diagnoses, and of benchmarks."""

from __future__ import annotations

from typing import Any

from lab.diagnosis.conclusion import Answer
from lab.present.schema.members import Count, Document, Members


class Score(Members):
    """The number of questions, and of right answers."""

    right: Count
    asked: Count


class Lesson(Document):
    """A finished lesson."""

    run: str | None
    path: str | None
    walked: list[str]
    not_shown: list[str]
    score: Score
    quiz: Score
    unattended: bool
    language: str


class LessonSteps(Document):
    """The steps of the lesson, with their titles, in order."""

    steps: dict[str, str]


class Handout(Document):
    """A handout that was written."""

    paths: list[str]
    run: str
    trainer: bool
    not_walked: list[str]


class Mystery(Document):
    """An incident that was solved."""

    name: str
    used: Count
    of: Count
    wrong: Count
    language: str


class Mysteries(Document):
    """The incidents, with their titles."""

    mysteries: dict[str, str]


class Place(Members):
    """A line or a packet of a file."""

    file: str
    line: int | None
    packet: int | None
    text: str


class Query(Members):
    """The fate of a query."""

    dns_id: int
    qtype: str | None
    name: str | None
    fate: str
    took_s: float | None


class Finding(Members):
    """A cause that the files show."""

    cause: str
    grade: str
    says: str
    places: list[Place]
    against: list[str]
    queries: list[Query]


class Advice(Members):
    """A recommended command."""

    what: str
    commands: list[str]


class Remedy(Members):
    """A workaround."""

    what: str
    commands: list[str]
    scenario: str | None


class DiagnosedFile(Members):
    """A file, and its recognised kind."""

    file: str
    kind: str


class Diagnose(Document):
    """The diagnosis of a stall, from files."""

    answer: Answer
    certain: bool
    cause: str | None
    sentence: str
    finding: Finding | None
    others: list[Finding]
    warnings: list[str]
    machine: str
    next: Advice | None
    remedies: list[Remedy]
    collect: list[Advice]
    files: list[DiagnosedFile]
    lookups: Count


class Samples(Document):
    """Sample files that were written."""

    directory: str
    files: list[str]
    commands: list[str]


class Figure(Members):
    """A measurement: median, number of values and range."""

    value: float
    of: Count
    least: float | None
    most: float | None


class BenchPart(Members):
    """Figures that were measured together."""

    measured: str
    version: str
    machine: dict[str, Any]
    load: float
    figures: dict[str, Figure]


class Bench(Document):
    """All figures, by part."""

    parts: dict[str, BenchPart]
    path: str
    before: dict[str, dict[str, float]]


class KitPart(Members):
    """A file of a trainer's kit."""

    name: str
    bytes: int
    sha256: str


class KitLack(Members):
    """A part that a trainer's kit could have, and the command that makes it."""

    what: str
    command: str


class Kit(Document):
    """A trainer's kit."""

    path: str
    sha256: str
    files: list[KitPart]
    left_out: list[KitLack]
